// A new gallery, made in the page: a form, then an upload and a build with their progress, then how
// it ended. Starts what manages the galleries that are there, too, as one job runs at a time.

import { callsTo } from "./call.js";
import { galleriesChanged } from "./changes.js";
import { makeForm } from "./create_form.js";
import { outcomeOf } from "./create_outcome.js";
import { watchBuild } from "./create_progress.js";
import { requestBuild } from "./create_upload.js";
import { makeJob } from "./job.js";
import { panel } from "./make.js";
import { makeManaging } from "./manage.js";
import { allowGathering } from "./selected_gallery.js";
import { searchIn } from "./session.js";

export function start({ element, server, ...limits }) {
  const place = element.querySelector(".create");
  const off = place.querySelector(".off");
  if (off) place.replaceChildren(panel("Make a gallery", off));
  else startParts(place, { ask: callsTo(server), ...limits });
}

async function startParts(place, tools) {
  const options = await tools.ask("making"); // {models, suffixes, progress} or {message}
  const watch = watchBuild(tools.ask, {
    show: () => parts.forEach((part) => { part.show(); }),
    say: (message) => partOf(watch.current()).say(message),
    done: () => partOf(watch.current()).done(watch.current()),
  });
  const parts = [
    makeMaking(place, { ...tools, options, watch }), makeManaging({ ...tools, options, watch }), allowGathering({ ...tools, watch }),
  ];
  const partOf = (progress) => parts.find((part) => part.isOwn(progress)) || parts[0];
  parts[0].say(options.message);
  if (options.progress) watch.take(options.progress);
  parts.forEach((part) => { part.begin(); });
}

function makeMaking(place, { ask, upload, mostBytes, options, watch }) {
  const isOwn = ({ kind = "make" }) => kind === "make";
  const form = makeForm(options, (event) => {
    event.preventDefault();
    if (watch.current().state !== "running") job.once(make);
  });
  const job = makeJob({
    ask, watch, isOwn, changed: () => form.disable(job.isBusy()),
    outcomeOf: (progress) => outcomeOf(progress, {
      searchIn: () => {
        whole.open = false;
        searchIn(progress.name);
      },
      resume: () => job.once(() => job.change("go_on", {}, watch.began)),
      discard: () => job.once(() => job.change("discard_making")),
    }),
  });
  const whole = panel("Make a gallery", form.element, ...Object.values(job.elements));

  async function make() {
    job.say("");
    const problem = await requestBuild(form.read(), {
      ask, upload, suffixes: options.suffixes, mostBytes, show: job.show, began: watch.began,
      startUpload: job.startUpload,
    });
    if (!problem) return;
    job.say(problem);
    const { progress } = await ask("making"); // perhaps another build runs
    if (progress?.state === "running") watch.take(progress);
  }

  function begin() {
    place.replaceChildren(whole);
    job.show();
    whole.open = isOwn(watch.current()) && watch.current().state === "running";
  }

  return { isOwn, begin, say: job.say, show: job.show, done: galleriesChanged };
}

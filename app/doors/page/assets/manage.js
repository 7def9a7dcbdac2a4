// The chosen gallery, managed: brought up to date, added to, renamed, moved, deleted.

import { contentChanged } from "./changes.js";
import { wordsOf } from "./create_progress.js";
import { requestAddition } from "./create_upload.js";
import { makeJob } from "./job.js";
import { button, make, panel } from "./make.js";
import { makeForms } from "./manage_forms.js";
import { managedOutcomeOf, moment } from "./manage_outcome.js";
import { allowRemoval } from "./removal.js";
import { onChange, state } from "./session.js";

let found = null;
const place = new Promise((resolve) => { found = resolve; });

export function start({ element }) {
  found(element.querySelector(".manage"));
}

const nameNow = () => state.gallery?.name;

// Return the part of the page that manages galleries, see `create.js`.
export function makeManaging({ ask, upload, mostPictureBytes, options, watch }) {
  let hidden = false; // how an earlier visit's ended is no news, nor what was put away
  const isOwn = ({ kind = "make" }) => kind !== "make";
  const update = button("Update", () => change("update_gallery", { gallery: nameNow() }));
  const when = make("span", { class: "when" });
  const whole = panel("Manage this gallery");
  const job = makeJob({
    ask, watch, changed: showBusy,
    isOwn: (progress) => isOwn(progress) && !hidden,
    words: (progress) => `${progress.name}: ${wordsOf(progress)}`,
    outcomeOf: (progress) => managedOutcomeOf(progress, {
      resume: () => change("go_on"),
      accept: () => change("update_gallery", { gallery: progress.name, accept_removals: true }),
      hide,
    }),
  });
  const forms = makeForms({ ask, suffixes: options.suffixes, add });
  const line = make("div", { class: "line" }, update, when);

  function change(request, body) {
    hidden = false;
    return job.once(() => job.change(request, body, watch.began));
  }

  async function add(files) {
    let problem = "";
    hidden = false;
    await job.once(async () => {
      problem = await requestAddition({ gallery: nameNow(), files }, {
        ask, upload, mostBytes: mostPictureBytes, show: job.show, began: watch.began, startUpload: job.startUpload,
      });
    });
    return problem;
  }

  function hide() {
    hidden = true;
    job.say("");
    job.show();
    update.focus();
  }

  function showBusy() {
    update.disabled = job.isBusy();
    forms.setBusy(job.isBusy());
  }

  function begin() {
    hidden = watch.current().state !== "running";
    if (hidden) job.say("");
    allowRemoval(ask);
    whole.querySelector(".sheet").append(forms.element);
    place.then((where) => {
      where.replaceChildren(line, ...Object.values(job.elements), whole);
      onChange(() => showGallery(where));
    });
    job.show();
  }

  function showGallery(where) {
    const { gallery } = state;
    const known = state.galleries.some(({ name }) => name === gallery?.name);
    where.hidden = !known || gallery.name.includes(","); // several are changed one by one
    if (where.hidden) return;
    line.hidden = Boolean(gallery.refused);
    const { changed, created } = gallery;
    when.textContent = changed ? `Changed ${moment(changed)}` : created && `Built ${moment(created)}`;
    forms.show(gallery);
  }

  return { isOwn, begin, say: job.say, show: job.show, done: ({ name }) => contentChanged(name) };
}

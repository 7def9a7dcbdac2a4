// A new gallery, made in the page: a form, then an upload and a build with their progress, then how
// it ended.

import { callsTo } from "./call.js";
import { makeForm } from "./create_form.js";
import { outcomeOf } from "./create_outcome.js";
import { watchBuild, wordsOf } from "./create_progress.js";
import { requestBuild } from "./create_upload.js";
import { button, make, panel } from "./make.js";
import { galleriesChanged, searchIn } from "./session.js";

export function start({ element, server, upload, mostBytes }) {
  const place = element.querySelector(".create");
  const off = place.querySelector(".off");
  if (off) place.replaceChildren(panel("Make a gallery", off));
  else makePanel(place, callsTo(server), upload, mostBytes);
}

async function makePanel(place, ask, upload, mostBytes) {
  const options = await ask("making"); // {models, suffixes, progress} or {message}
  let uploading = null; // {done, total, cancelled}
  let starting = false; // true as well while an upload or a request is under way
  const form = makeForm(options, (event) => {
    event.preventDefault();
    if (watch.current().state !== "running") once(begin);
  });
  const parts = makeParts(stop);
  const whole = panel("Make a gallery", form.element, ...Object.values(parts.elements));
  const { say } = parts;
  const watch = watchBuild(ask, { show, say, done: galleriesChanged });

  // Run a request of a button, unless one is under way.
  async function once(request) {
    if (starting) return;
    starting = true;
    show();
    await request();
    starting = false;
    uploading = null;
    show();
  }

  async function begin() {
    say("");
    const problem = await requestBuild(form.read(), {
      ask, upload, suffixes: options.suffixes, mostBytes, show, began: watch.take,
      startUpload: (total) => {
        uploading = { done: 0, total, cancelled: false };
        show();
        return uploading;
      },
    });
    if (!problem) return;
    say(problem);
    const { progress } = await ask("making"); // perhaps another build runs
    if (progress?.state === "running") watch.take(progress);
  }

  async function stop() {
    if (uploading) uploading.cancelled = true;
    else await change("cancel_making");
    show();
  }

  async function change(request) {
    const { message, progress } = await ask(request);
    say(message);
    if (progress) watch.take(progress);
  }

  function show() {
    const progress = watch.current();
    form.disable(starting || progress.state === "running");
    parts.show(progress, uploading, starting, {
      searchIn: () => {
        whole.open = false;
        searchIn(progress.name);
      },
      resume: () => once(() => change("go_on")),
      discard: () => once(() => change("discard_making")),
    });
  }

  place.replaceChildren(whole);
  say(options.message);
  if (options.progress) watch.take(options.progress);
  show();
  whole.open = watch.current().state === "running";
}

// Return the parts below the form: the message, the progress and the outcome.
function makeParts(stop) {
  const alert = make("div", { role: "alert" });
  const words = make("p", {});
  const bar = make("progress", { "aria-label": "Progress" });
  const cancel = button("Cancel", stop);
  const running = make("div", { class: "running" }, bar, words, cancel);
  const outcome = make("div", { class: "outcome", role: "status" });
  let shown = "";

  function show(progress, uploading, starting, actions) {
    const busy = starting || progress.state === "running";
    running.hidden = !(uploading || progress.state === "running");
    cancel.disabled = Boolean(uploading ? uploading.cancelled : progress.stopping);
    const { done, total } = uploading || progress;
    words.textContent = uploading ? `Uploading ${done} of ${total}` : wordsOf(progress);
    if (total) Object.assign(bar, { max: total, value: done });
    else bar.removeAttribute("value"); // its length is not known
    const wanted = busy ? "" : JSON.stringify(progress);
    if (wanted === shown) return;
    shown = wanted;
    outcome.replaceChildren(...(busy ? [] : outcomeOf(progress, actions)));
  }

  return {
    elements: { alert, running, outcome },
    say: (message) => {
      alert.replaceChildren(...(message ? [make("p", { class: "message error" }, message)] : []));
    },
    show,
  };
}

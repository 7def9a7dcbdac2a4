// The work that the server does for a part of the page: its progress with a button to cancel it, a
// message, and how it ended.

import { wordsOf } from "./create_progress.js";
import { button, make } from "./make.js";

// Return what shows and begins the work of one part. `isOwn` says whether a progress is shown there,
// `outcomeOf` returns the elements for one that has ended, and `changed` is called at each change with
// {progress, uploading}.
// `cancel` sends the request to stop it.
export function makeJob({
  ask, watch, isOwn, outcomeOf, changed, words = wordsOf, cancel = (send) => send("cancel_making"),
}) {
  let uploading = null; // {done, total, cancelled}
  let starting = false; // true as well while an upload or a request is under way
  const display = makeDisplay(stop);

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

  // Send a request; `take` gets the progress that it is answered with.
  async function change(request, body = {}, take = watch.take) {
    const { message, progress } = await ask(request, body);
    display.say(message);
    if (progress) take(progress);
  }

  async function stop() {
    if (uploading) uploading.cancelled = true;
    else await cancel(change);
    show();
  }

  function show() {
    const current = watch.current();
    const progress = isOwn(current) ? current : { state: "idle" };
    display.show({ progress, uploading, starting, text: words(progress), outcome: () => outcomeOf(progress) });
    changed({ progress, uploading });
  }

  return {
    elements: display.elements, say: display.say, once, change, show, stop,
    isBusy: () => starting || watch.current().state === "running",
    startUpload: (total) => {
      uploading = { done: 0, total, cancelled: false };
      show();
      return uploading;
    },
  };
}

function makeDisplay(stop) {
  const alert = make("div", { role: "alert" });
  const words = make("p", {});
  const bar = make("progress", { "aria-label": "Progress" });
  const cancel = button("Cancel", stop);
  const running = make("div", { class: "running" }, bar, words, cancel);
  const outcome = make("div", { class: "outcome", role: "status" });
  let shown = "";

  function show({ progress, uploading, starting, text, outcome: elements }) {
    const busy = starting || progress.state === "running";
    running.hidden = !(uploading || progress.state === "running");
    cancel.disabled = Boolean(uploading ? uploading.cancelled : progress.stopping);
    const { done, total } = uploading || progress;
    words.textContent = uploading ? `Uploading ${done} of ${total}` : text;
    if (total) Object.assign(bar, { max: total, value: done });
    else bar.removeAttribute("value"); // its length is not known
    const wanted = busy ? "" : JSON.stringify(progress);
    if (wanted === shown) return;
    shown = wanted;
    outcome.replaceChildren(...(busy ? [] : elements()));
  }

  return {
    elements: { alert, running, outcome },
    say: (message) => {
      alert.replaceChildren(...(message ? [make("p", { class: "message error" }, message)] : []));
    },
    show,
  };
}

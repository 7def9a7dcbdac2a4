// The work that the server does for a part of the page: its progress with a button to cancel it, a
// message, and how it ended.

import { wordsOf } from "./create_progress.js";
import { button, make } from "./make.js";

/** @import { Ask, Progress, Uploading } from "../types.js" */
/** @import { Watch } from "./create_progress.js" */
/** @typedef {(request: string, body?: object, take?: (progress: Progress) => void) => Promise<void>} Change */
/** @typedef {{ progress: Progress, uploading: Uploading | null }} Shown */
/** @typedef {(Node | string)[]} Content */
/**
 * @typedef {object} Job
 * @property {{ alert: HTMLElement, running: HTMLElement, outcome: HTMLElement }} elements
 * @property {(message?: string) => void} say
 * @property {(request: () => Promise<void>) => Promise<void>} once
 * @property {Change} change
 * @property {() => void} show
 * @property {() => Promise<void>} stop
 * @property {() => boolean} isBusy
 * @property {(files: number) => Uploading} startUpload
 */

/**
 * Return what shows and begins the work of one part.
 * @param {object} work
 * @param {Ask} work.ask
 * @param {Watch} work.watch
 * @param {(progress: Progress) => boolean} work.isOwn whether a progress is shown there
 * @param {(progress: Progress) => Content} work.outcomeOf returns the elements for one that has ended
 * @param {(shown: Shown) => void} work.changed is called at each change
 * @param {(progress: Progress) => string} [work.words]
 * @param {(send: Change) => Promise<void>} [work.cancel] sends the request to stop it
 * @returns {Job}
 */
export function makeJob({
  ask, watch, isOwn, outcomeOf, changed, words = wordsOf, cancel = (send) => send("cancel_making"),
}) {
  /** @type {Uploading | null} */
  let uploading = null;
  let starting = false; // true as well while an upload or a request is under way
  const display = makeDisplay(stop);

  /**
   * Run a request of a button, unless one is under way.
   * @param {() => Promise<void>} request
   */
  async function once(request) {
    if (starting) return;
    starting = true;
    show();
    await request();
    starting = false;
    uploading = null;
    show();
  }

  /**
   * Send a request; `take` gets the progress that it is answered with.
   * @type {Change}
   */
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
      const begun = { done: 0, total, cancelled: false };
      uploading = begun;
      show();
      return begun;
    },
  };
}

/** @param {() => void} stop */
function makeDisplay(stop) {
  const alert = make("div", { role: "alert" });
  const words = make("p", {});
  const bar = make("progress", { "aria-label": "Progress" });
  const cancel = button("Cancel", stop);
  const running = make("div", { class: "running" }, bar, words, cancel);
  const outcome = make("div", { class: "outcome", role: "status" });
  let shown = "";

  /** @param {Shown & { starting: boolean, text: string, outcome: () => Content }} job */
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
    /** @param {string} [message] */
    say: (message) => {
      alert.replaceChildren(...(message ? [make("p", { class: "message error" }, message)] : []));
    },
    show,
  };
}

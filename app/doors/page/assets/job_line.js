// The line beside the panel's button: what is done to a gallery, and how that ended.

import { summaryOf } from "./create_outcome.js";
import { lineOf } from "./create_progress.js";
import { button, make } from "./make.js";
import { changesOf } from "./manage_outcome.js";

/** @import { Progress, Uploading } from "../types.js" */

/**
 * Return how a job ended, in a line.
 * @param {Progress} progress
 * @returns {string}
 */
export function endOf({ state, kind = "make", name = "", message = "", report }) {
  if (state === "failed") return message;
  if (state === "stopped") return `${name}: ${message}`;
  if (state !== "done" || !report) return "";
  return kind === "make" ? summaryOf(name, report) : `${name}: ${changesOf(report)}`;
}

/**
 * Return the line: its `element`, and `show` for a job's state, whether its end was put away, and why
 * an upload came to nothing. Only the end is announced: the progress changes twice a second.
 * @param {{open: () => void, hide: () => void, cancel: () => void}} acts what its buttons do
 */
export function makeLine({ open, hide, cancel }) {
  const words = make("span", { class: "words" });
  const end = make("span", { class: "words", role: "status" });
  const show = button("Show", open);
  const stop = button("Cancel", cancel);
  const away = button("Hide", hide);
  const element = make("div", { class: "job-line" }, words, end, show, stop, away);

  return {
    element,
    /** @param {{ progress: Progress, uploading: Uploading | null }} job @param {boolean} isPutAway @param {string} lost */
    show: ({ progress, uploading }, isPutAway, lost) => {
      const isRunning = Boolean(uploading) || progress.state === "running";
      const ended = isRunning || isPutAway ? "" : lost || endOf(progress);
      words.textContent = isRunning ? lineOf(progress, uploading) : "";
      if (end.textContent !== ended) end.textContent = ended;
      element.classList.toggle("shown", isRunning || Boolean(ended)); // the place to announce the end in stays
      show.hidden = !isRunning && !ended;
      stop.hidden = !isRunning;
      stop.disabled = Boolean(uploading ? uploading.cancelled : progress.stopping);
      away.hidden = isRunning || !ended;
    },
  };
}

// A build's progress: asked of the server every half second while it runs and never else, and put
// into words.

import { isUnanswered } from "./call.js";

/** @import { Answer, Ask, Progress } from "../types.js" */
/** @typedef {(progress: Progress) => void} Take */
/** @typedef {{ take: Take, began: Take, current: () => Progress }} Watch */

const POLL_MILLISECONDS = 500;

/**
 * Return the build's watch. `take` gets a progress from the server, `current` returns the last one.
 * `show` is called after each change that the watch finds, `say` with a message or "", `done` when
 * a gallery was made or changed. `look` asks for the progress.
 * @param {Ask} ask
 * @param {{ show: () => void, say: (message?: string) => void, done: () => unknown, look?: () => Promise<Answer> }} tell
 * @returns {Watch}
 */
export function watchBuild(ask, { show, say, done, look = () => ask("making") }) {
  /** @type {Progress} */
  let progress = { state: "idle" };
  /** @type {number | null} */
  let timer = null;
  let lost = false; // whether the last request had no answer

  /** @param {Progress} now */
  function take(now) {
    const ended = progress.state === "running" && now.state !== "running";
    progress = now;
    if (now.state === "failed") say(now.message);
    if (ended && now.state === "done") done();
    if (now.state === "running" && timer === null) timer = setTimeout(poll, POLL_MILLISECONDS);
  }

  /**
   * Take the first progress of what was just begun: it may have ended already.
   * @param {Progress} now
   */
  function began(now) {
    progress = { ...now, state: "running" };
    take(now);
  }

  async function poll() {
    timer = null;
    const answer = await look();
    if (answer.progress && lost) say("");
    lost = isUnanswered(answer.message);
    if (answer.message) say(answer.message);
    take(answer.progress || progress);
    show();
  }

  return { take, began, current: () => progress };
}

/**
 * Return a build's progress in words, as in "Embedding 3 of 9, 12 images/s, 1 s left".
 * @param {Partial<Progress>} progress
 * @returns {string}
 */
export function wordsOf({ stage = "", done = 0, total = 0, rate = 0, seconds_left, stopping }) {
  if (stopping) return "Stopping …";
  const left = seconds_left === null || seconds_left === undefined ? "" : `, ${duration(seconds_left)} left`;
  /** @param {number} bytes */
  const megabytes = (bytes) => Math.round(bytes / 1e6).toLocaleString("en");
  /** @type {Record<string, string>} */
  const words = {
    prepare: "Loading the model …",
    collect: `Collecting the pictures: ${done} of ${total}`,
    unpack: `Unpacking ${megabytes(done)} of ${megabytes(total)} MB${left}`,
    list: "Listing the pictures …",
    embed: `Embedding ${done} of ${total}, ${Math.round(rate)} images/s${left}`,
    train: "Training the index …",
    measure: "Measuring how much it finds …",
    add: total ? `Adding ${done} of ${total}` : "Adding the pictures …",
  };
  return words[stage] || "";
}

/** @type {Record<string, string>} */
const DOING = { make: "Making", update: "Updating", add: "Adding to" };

/**
 * Return what is done to which gallery, and how far it is, as in "Updating album: 120 of 900, 2 min left".
 * @param {Progress} progress
 * @param {{done: number, total: number} | null} [uploading] the files on their way, if any are
 * @returns {string}
 */
export function lineOf(progress, uploading = null) {
  if (uploading) return `Uploading ${uploading.done} of ${uploading.total}`;
  const { kind = "make", name, stage, done = 0, total = 0, seconds_left: left } = progress;
  const counted = stage === "embed" && !progress.stopping
    ? `${done.toLocaleString("en")} of ${total.toLocaleString("en")}${left === null || left === undefined ? "" : `, ${duration(left)} left`}`
    : wordsOf(progress);
  return `${DOING[kind]} ${name}: ${counted.charAt(0).toLowerCase()}${counted.slice(1)}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  return seconds < 6000 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

// How a build ended → its report, or the ways to go on.

import { button, make } from "./make.js";
import { foundShare } from "./terms.js";

/** @import { Progress, Report } from "../types.js" */

/**
 * Return what is shown of a build that ended. `searchIn`, `resume` and `discard` are its buttons'.
 * @param {Progress} progress
 * @param {Record<"searchIn" | "resume" | "discard", () => unknown>} acts
 */
export function outcomeOf({ state, name = "", message, can_go_on, report }, { searchIn, resume, discard }) {
  if (state === "done" && report) {
    return [
      make("p", {}, summaryOf(name, report)),
      button("Search in it", searchIn),
      ...(report.skipped ? [skippedFiles(report)] : []),
      ...(report.notes.length ? [make(
        "details", { class: "skipped" }, make("summary", {}, "Details"), report.notes.map((note) => make("p", { class: "off" }, note)),
      )] : []),
    ];
  }
  return [
    ...(state === "stopped" ? [make("p", {}, `${name}: ${message}`)] : []),
    ...(can_go_on ? [button("Resume", resume), button("Delete the unfinished gallery", discard)] : []),
  ];
}

/** @param {string} name @param {Pick<Report, "images" | "seconds" | "recall">} report */
export const summaryOf = (name, { images, seconds, recall }) => (
  `${name}: ${images.toLocaleString("en")} images in ${seconds} s, ${foundShare(recall)}`
);

/**
 * Return what the list of skipped files says: its title, and one line a file.
 * @param {Pick<Report, "skipped" | "skipped_files">} report
 */
export function skippedLines({ skipped, skipped_files: files }) {
  const more = skipped - files.length;
  return [
    skipped === 1 ? "1 file was skipped" : `${skipped.toLocaleString("en")} files were skipped`,
    ...files.map(({ path, reason }) => `${path}: ${reason}`),
    ...(more ? [`and ${more.toLocaleString("en")} more`] : []),
  ];
}

/** @param {Report} report */
export function skippedFiles(report) {
  const [title, ...lines] = skippedLines(report);
  return make(
    "details", { class: "skipped" },
    make("summary", {}, title), make("ul", {}, lines.map((line) => make("li", {}, line))),
  );
}

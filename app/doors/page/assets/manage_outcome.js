// How an update or an addition ended → words, and the ways to go on.

import { skippedFiles } from "./create_outcome.js";
import { button, make } from "./make.js";

/** @import { Progress, Report } from "../types.js" */

/** @param {number | undefined} number @param {string} words */
const counted = (number, words) => (number ? [`${number.toLocaleString("en")} ${words}`] : []);
/** @param {number} number @param {string} one */
const plural = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/**
 * Return a report in words, as in "3 added, 1 changed, 501 unchanged; 2 files skipped".
 * @param {Report} report
 */
export function changesOf(report) {
  const { added, changed, moved, removed, replaced, unchanged, known, skipped } = report;
  const done = [
    ...counted(added, "added"), ...counted(changed, "changed"), ...counted(replaced, "replaced"),
    ...counted(moved, "moved"), ...counted(removed, "removed"),
  ];
  const rest = [...counted(unchanged, "unchanged"), ...counted(known, "there already")];
  const words = [...(done.length ? done : ["nothing new"]), ...rest].join(", ");
  return skipped ? `${words}; ${plural(skipped, "file")} skipped` : words;
}

/**
 * Return what is shown of an update or an addition that ended. The actions are its buttons'.
 * @param {Progress} progress
 * @param {Record<"resume" | "accept", () => unknown>} acts
 */
export function managedOutcomeOf(progress, { resume, accept }) {
  const { state, name, message, can_go_on: canGoOn, gone, report } = progress;
  if (state === "idle") return [];
  return [
    ...(state === "done" && report ? [make("p", {}, `${name}: ${changesOf(report)}`)] : []),
    ...(state === "stopped" ? [make("p", {}, `${name}: ${message}`)] : []),
    ...(report?.skipped ? [skippedFiles(report)] : []),
    ...(gone ? [button(`Remove ${plural(gone, "image")} from ${name}`, accept, { class: "danger" })] : []),
    ...(canGoOn ? [button("Resume", resume)] : []),
  ];
}

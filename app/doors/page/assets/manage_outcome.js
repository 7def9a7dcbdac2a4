// How an update or an addition ended → words, and the ways to go on.

import { skippedFiles } from "./create_outcome.js";
import { button, make } from "./make.js";

const counted = (number, words) => (number ? [`${number.toLocaleString("en")} ${words}`] : []);
const plural = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

// Return a report in words, as in "3 added, 1 changed, 501 unchanged; 2 files skipped".
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

// Return what is shown of an update or an addition that ended. The actions are its buttons'.
export function managedOutcomeOf(progress, { resume, accept }) {
  const { state, name, message, can_go_on: canGoOn, gone, report } = progress;
  if (state === "idle") return [];
  return [
    ...(state === "done" ? [make("p", {}, `${name}: ${changesOf(report)}`)] : []),
    ...(state === "stopped" ? [make("p", {}, `${name}: ${message}`)] : []),
    ...(report?.skipped ? [skippedFiles(report)] : []),
    ...(gone ? [button(`Remove ${plural(gone, "image")} from ${name}`, accept, { class: "danger" })] : []),
    ...(canGoOn ? [button("Resume", resume)] : []),
  ];
}

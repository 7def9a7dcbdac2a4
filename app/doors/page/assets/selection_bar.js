// The images that are selected → a bar at the window's lower edge: how many, and what can be done.

import { wholePath } from "./image_facts.js";
import { exportContactSheet, exportCsv, exportJson } from "./export.js";
import { shownHits } from "./filters.js";
import { button, closest, copyButton, findIn, focusedIn, make } from "./make.js";
import { makeGathering } from "./selected_gallery.js";
import { clearSelection, inShownOrder, onSelection, selectAll, selectedCount, selectedHits } from "./selection.js";
import * as session from "./session.js";

/** @import { Gallery, Hit } from "../types.js" */

const { state } = session;
const MOST_EXAMPLES = 100; // they are in the search's link

/**
 * Return how many are selected, in words.
 * @param {Hit[]} hits
 * @param {Hit[]} shown
 * @returns {string} "" for none
 */
export function countOf(hits, shown) {
  if (!hits.length) return "";
  const keys = new Set(shown.map(session.imageKey));
  const unseen = hits.filter((hit) => !keys.has(session.imageKey(hit))).length;
  const many = hits.length.toLocaleString("en");
  return `${many} selected${unseen ? `, ${unseen.toLocaleString("en")} of them not shown` : ""}`;
}

/**
 * Return the paths of images, one a line, from the root on where their folders are known.
 * @param {Hit[]} hits
 * @param {Gallery[]} galleries
 */
export function pathsOf(hits, galleries) {
  const sourcesOf = new Map(galleries.map(({ name, sources }) => [name, sources]));
  return hits.map((hit) => `${wholePath(hit, sourcesOf.get(hit.gallery))}\n`).join("");
}

/**
 * Return why images cannot be examples of a search; "" if they can.
 * @param {Hit[]} hits
 */
function whyNoExamples(hits) {
  if (!hits.every(session.isOfChosen)) return "Examples are of one gallery: search in that one alone first.";
  return hits.length > MOST_EXAMPLES ? `A search takes at most ${MOST_EXAMPLES} examples: select fewer.` : "";
}

const picked = () => inShownOrder(selectedHits(), shownHits());

/** Return the bar. */
export function makeSelectionBar() {
  const status = make("p", { class: "count", role: "status" });
  const more = button("More like these", () => {
    const problem = whyNoExamples(picked());
    gathering.say(problem);
    if (!problem) session.addExamples(picked(), session.MORE);
  });
  const gathering = makeGathering(picked);
  const tools = make(
    "div", { class: "tools", role: "group", "aria-label": "With what is selected" },
    button("Export CSV", () => exportCsv(picked())),
    button("Export JSON", () => exportJson(picked())),
    copyButton(() => pathsOf(picked(), state.galleries), () => "Paths copied", "Copy paths"),
    button("Contact sheet", () => exportContactSheet(picked())),
    more, gathering.button,
  );
  const ends = make(
    "div", { class: "ends" },
    button("Select all", () => selectAll(shownHits())), button("Clear", clear, { "aria-keyshortcuts": "Escape" }),
  );
  const bar = make("section", { class: "selection", "aria-label": "Selected images" }, gathering.element, status, ends, tools);
  let had = 0;
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--selection-height", `${Math.ceil(bar.getBoundingClientRect().height)}px`);
  }).observe(bar);
  onSelection(() => {
    gathering.say("");
    show();
  });
  session.onChange(show);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !selectedCount() || document.querySelector("dialog[open]")) return;
    if (event.target === document.body || closest(event, ".results")) clear();
  });
  return bar;

  function show() {
    const hits = selectedHits();
    const words = countOf(hits, shownHits());
    if (status.textContent !== words) status.textContent = words;
    tools.hidden = !hits.length;
    ends.hidden = !hits.length;
    if (had && !hits.length) gathering.close();
    had = hits.length;
  }

  function clear() {
    const held = focusedIn(bar);
    clearSelection();
    if (held) findIn(document, ".hit[data-current] .open")?.focus({ preventScroll: true });
  }
}

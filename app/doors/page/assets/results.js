// The results as a grid, with the notice above and the timing below; and what can be done with them.

import "./double_click.js";
import { showAsked } from "./asked.js";
import { inLink } from "./address.js";
import { makeChips } from "./chips.js";
import { exportContactSheet, exportCsv, exportJson } from "./export.js";
import { isSeeing } from "./face.js";
import { makeBrowse } from "./facets.js";
import { chosenHits, showToolbar, shownHits } from "./filters.js";
import { makeGrid, showCards } from "./grid.js";
import { allIn, button, copyButton, findIn, focusedIn, make } from "./make.js";
import { isSource } from "./outlines.js";
import { currentKey } from "./places.js";
import { goToCard, goToResults } from "./scroll.js";
import { makeSelectionBar } from "./selection_bar.js";
import * as session from "./session.js";
import { makeSides } from "./side_by_side.js";
import { noticeOf } from "./summary.js";
import { showTiming } from "./timing.js";

/** @import { Hit, Part, Results } from "../types.js" */
/** @typedef {{ verdict: HTMLElement, grid: HTMLElement, more: HTMLElement, toolbar: HTMLElement }} Parts */

const { state } = session;
const STEP = 50;
const STEP_WHERE_BROWSED = 200; // more than the window, so that its end leaves it again

const LOOKED_AGAIN_AFTER = 100; // ms: it may be there still
const NEAR = 200; // pixels below the window

const stepOf = () => (state.browsing ? STEP_WHERE_BROWSED : STEP);

/** @param {Part} part */
export function start({ element }) {
  const place = findIn(element, ".results");
  const parts = {
    asked: make("div", { class: "asked" }),
    heading: make("h2", { class: "unseen" }, "Results"),
    verdict: make("p", { class: "verdict" }),
    notice: make("p", { class: "notice", role: "status" }),
    browse: makeBrowse(),
    toolbar: make("div", { class: "toolbar" }),
    chips: makeChips(() => { if (state.results) showToolbar(parts.toolbar); }),
    sides: makeSides(),
    grid: makeGrid(),
    selection: makeSelectionBar(),
    more: make("div", { class: "more" }),
    timing: make("div", { class: "how" }),
    save: make("div", { class: "save" }),
  };
  // At the end of a row that is there in any case: the answer does not move down.
  const past = make("ul", { class: "past", "aria-label": "Earlier queries" });
  parts.browse.append(past);
  reached.observe(parts.more);
  /** @type {Results | null} */
  let shownResults = null;
  let shownQuery = "";
  let shownKey = "";
  session.onChange(() => {
    place.classList.toggle("loading", state.busy);
    place.setAttribute("aria-busy", `${state.busy}`);
    const query = JSON.stringify([state.edit, state.words, state.results?.words, state.browsing, state.examples, state.gallery?.name, state.past.map(({ key }) => key)]);
    if (query !== shownQuery) {
      shownQuery = query;
      showAsked(parts.asked, past);
    }
    if (!state.results || state.failed) {
      parts.verdict.textContent = "";
      fill(place, [parts.asked, parts.verdict, parts.browse, parts.chips, parts.sides, ...waiting()]);
      shownResults = null;
      return;
    }
    if (shownResults !== state.results) {
      shownResults = state.results;
      isMoreAsked = false;
      showToolbar(parts.toolbar);
      showNotice(parts.notice, state.results);
      showTiming(parts.timing, state.results);
      const focused = focusIn(parts.grid);
      const before = parts.grid;
      parts.grid = makeGrid();
      showSave(parts.save);
      if (before.isConnected) before.replaceWith(parts.grid); // the rest keeps the keyboard
      else fill(place, Object.values(parts));
      showVerdict(parts.verdict, state.results);
      showHits(parts, state.results);
      if (focused) focusAgain(focused, parts.grid);
      const key = currentKey();
      const change = { isNew: key !== shownKey, isEdited: state.original !== state.edit };
      queueMicrotask(() => goToResults(place, parts.verdict, change)); // once all of the page follows
      shownKey = key;
      return;
    }
    showHits(parts, state.results);
  });
  keepKeyboard(place);
}

/**
 * What had the keyboard and is gone, such as an example or "Clear the filters", leaves it to the results.
 * @param {HTMLElement} place
 */
function keepKeyboard(place) {
  /** @type {HTMLElement | null} */
  let last = null;
  document.addEventListener("focusin", ({ target }) => { last = target instanceof HTMLElement ? target : null; });
  session.onChange(() => requestAnimationFrame(() => {
    if (!last || state.busy || document.activeElement !== document.body || last.checkVisibility()) return;
    last = null;
    /** @type {HTMLElement | null} */ (place.querySelector("ol.hits"))?.focus({ preventScroll: true });
  }));
}

/**
 * What has the keyboard, such as a chip, keeps it where it is moved.
 * @param {HTMLElement} place
 * @param {HTMLElement[]} children
 */
function fill(place, children) {
  const held = focusedIn(document.body);
  place.replaceChildren(...children);
  if (held && place.contains(held)) held.focus({ preventScroll: true });
}

/**
 * The keyboard stays at the same button of the same result, or at least in the results.
 * @param {HTMLElement} grid
 */
function focusIn(grid) {
  const control = focusedIn(grid);
  return control && { key: /** @type {HTMLElement | null} */ (control.closest(".hit"))?.dataset.key, what: control.className || control.textContent };
}

/** @param {NonNullable<ReturnType<typeof focusIn>>} focused @param {HTMLElement} grid */
function focusAgain({ key, what }, grid) {
  const card = allIn(grid, ":scope > *").find((each) => each.dataset.key === key);
  const controls = [...(card?.querySelectorAll("button") || [])];
  const same = controls.find((each) => (each.className || each.textContent) === what);
  (same || grid).focus({ preventScroll: true });
}

// What stands where results will be; nothing on a page that was just opened.
function waiting() {
  if (!isSeeing()) return [];
  if (state.busy) return [skeleton()];
  const why = make("p", { class: "empty" }, "There are no results: see the message above.");
  return state.failed ? [why, button("Back to the results before", session.dismiss, { class: "back" })] : [why];
}

function skeleton() {
  return make(
    "ol", { class: "waiting", "aria-label": "Searching" },
    Array.from({ length: state.controls.k }, () => make("li", { class: "skeleton" })),
  );
}

/** @param {HTMLElement} place @param {Results} results */
function showVerdict(place, { hits, verdict, words, candidates }) {
  if (state.browsing) {
    const images = state.gallery?.holds === "text" ? "texts" : "images";
    const all = isFiltered(false) ? ` of ${state.gallery?.images?.toLocaleString("en")}` : "";
    place.textContent = `${candidates.toLocaleString("en")}${all} ${images}`;
    place.classList.remove("found");
    return;
  }
  const isNowhere = !hits.length && words === "written" && !isFiltered();
  place.textContent = verdict || (isNowhere ? `Nothing is written “${state.words}” here.` : "");
  place.classList.toggle("found", hits.some(isSource));
}

/** @param {HTMLElement} place @param {Results} results */
function showNotice(place, results) {
  place.textContent = noticeOf(results, state.gallery?.floor ?? 0);
  place.hidden = !place.textContent;
}

// --- the grid ----------------------------------------------------------------------------------

/** @param {Parts} parts @param {Results} results */
function showHits(parts, { listed, candidates }) {
  const hits = chosenHits();
  const visible = shownHits();
  const keys = visible.map(session.imageKey).join();
  if (parts.grid.dataset.keys !== keys) {
    const first = showCards(parts.grid, visible);
    parts.grid.dataset.keys = keys;
    if (isMoreAsked && first) {
      isMoreAsked = false;
      queueMicrotask(() => goToCard(first));
    }
  }
  const left = (listed ? Math.max(hits.length, candidates) : hits.length) - visible.length;
  // Only if it has changed: a button that is made anew between press and release is not clicked.
  if (parts.more.dataset.left === `${hits.length > 0} ${left}`) return;
  parts.more.dataset.left = `${hits.length > 0} ${left}`;
  parts.more.replaceChildren(
    ...(hits.length || !isFiltered() ? [] : [
      make("p", {}, "The filters leave no result."),
      button("Clear the filters", () => {
        session.filter({ ...session.NO_FILTERS, sort: state.filters.sort });
        showToolbar(parts.toolbar);
      }),
    ]),
    ...(left > 0 ? [button(`Show ${Math.min(stepOf(), left)} more`, () => {
      isMoreAsked = true;
      showMore();
    }, { class: "show-more" })] : []),
  );
}

let isMoreAsked = false; // by a visitor, and not by the end of the grid that comes near

function showMore() {
  session.set({ shown: state.shown + stepOf() });
  if (state.results && state.shown + stepOf() > state.results.hits.length) session.readOn();
}

// Where a gallery is browsed it goes on by itself, as long as its end is near the window.
const reached = new IntersectionObserver((entries) => {
  const { target, isIntersecting } = entries[entries.length - 1];
  const { browsing, results, shown } = state;
  if (!isIntersecting || !browsing || !results || shown >= Math.max(results.hits.length, results.candidates)) return;
  if (shown <= results.hits.length) showMore(); // else more is on its way
  setTimeout(() => {
    reached.unobserve(target);
    reached.observe(target);
  }, LOOKED_AGAIN_AFTER);
}, { rootMargin: "600px" });

// So do the results of a search, where one goes on past their end by wheel or finger.
for (const goingOn of ["wheel", "touchmove"]) {
  document.addEventListener(goingOn, (event) => {
    const button = document.querySelector(".results > .more .show-more");
    const isDown = !(event instanceof WheelEvent) || event.deltaY > 0;
    if (!button || state.browsing || state.beside || !isDown || document.querySelector("dialog[open]")) return;
    const { top } = button.getBoundingClientRect();
    if (top > 0 && top < window.innerHeight + NEAR) showMore();
  }, { passive: true });
}

// Whether what is chosen may have left results out.
function isFiltered(asShown = true) {
  const { results, filters } = state;
  return (asShown && results !== null && results.hits.length > 0) || Boolean(filters.label) || filters.where.length > 0;
}

// --- below the grid ----------------------------------------------------------------------------

/** @param {HTMLElement} place */
function showSave(place) {
  place.replaceChildren(
    make("span", {}, "Save these results as "),
    button("JSON", () => exportJson(shownHits())),
    button("CSV", () => exportCsv(shownHits())),
    button("Contact sheet", () => exportContactSheet(shownHits())),
    copyButton(() => location.href, () => (inLink(state.edit)
      ? "Link copied" : "Copied, without the picture: an uploaded one is never in a link")),
  );
}

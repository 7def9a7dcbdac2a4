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
import { button, copyButton, make } from "./make.js";
import { isSource } from "./outlines.js";
import { currentKey } from "./places.js";
import { goToCard, goToResults } from "./scroll.js";
import { makeSelectionBar } from "./selection_bar.js";
import * as session from "./session.js";
import { makeSides } from "./side_by_side.js";
import { noticeOf } from "./summary.js";
import { showTiming } from "./timing.js";

const { state } = session;
const STEP = 50;
const STEP_WHERE_BROWSED = 200; // more than the window, so that its end leaves it again

const LOOKED_AGAIN_AFTER = 100; // ms: it may be there still

const stepOf = () => (state.browsing ? STEP_WHERE_BROWSED : STEP);

export function start({ element }) {
  const place = element.querySelector(".results");
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
  reached.observe(parts.more);
  let shownResults = null;
  let shownQuery = "";
  let shownKey = "";
  session.onChange(() => {
    place.classList.toggle("loading", state.busy);
    place.setAttribute("aria-busy", state.busy);
    const query = JSON.stringify([state.edit, state.words, state.results?.words, state.browsing, state.examples, state.gallery?.name, state.past.map(({ key }) => key)]);
    if (query !== shownQuery) {
      shownQuery = query;
      showAsked(parts.asked);
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
      showNotice(parts.notice);
      showTiming(parts.timing, state.results);
      const focused = focusIn(parts.grid);
      const before = parts.grid;
      parts.grid = makeGrid();
      showSave(parts.save);
      if (before.isConnected) before.replaceWith(parts.grid); // the rest keeps the keyboard
      else fill(place, Object.values(parts));
      showVerdict(parts.verdict);
      showHits(parts);
      if (focused) focusAgain(focused, parts.grid);
      const key = currentKey();
      const change = { isNew: key !== shownKey, isEdited: state.original !== state.edit };
      queueMicrotask(() => goToResults(place, parts.verdict, change)); // once all of the page follows
      shownKey = key;
      return;
    }
    showHits(parts);
  });
}

// What has the keyboard, such as a chip, keeps it where it is moved.
function fill(place, children) {
  const held = document.activeElement;
  place.replaceChildren(...children);
  if (place.contains(held)) held.focus({ preventScroll: true });
}

// The keyboard stays at the same button of the same result, or at least in the results.
function focusIn(grid) {
  const control = grid.contains(document.activeElement) && document.activeElement;
  return control && { key: control.closest(".hit")?.dataset.key, what: control.className || control.textContent };
}

function focusAgain({ key, what }, grid) {
  const card = [...grid.children].find((each) => each.dataset.key === key);
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

function showVerdict(place) {
  const { hits, verdict, words, candidates } = state.results;
  if (state.browsing) {
    const images = state.gallery?.holds === "text" ? "texts" : "images";
    const all = isFiltered(false) ? ` of ${state.gallery.images.toLocaleString("en")}` : "";
    place.textContent = `${candidates.toLocaleString("en")}${all} ${images}`;
    place.classList.remove("found");
    return;
  }
  const isNowhere = !hits.length && words === "written" && !isFiltered();
  place.textContent = verdict || (isNowhere ? `Nothing is written “${state.words}” here.` : "");
  place.classList.toggle("found", hits.some(isSource));
}

function showNotice(place) {
  place.textContent = noticeOf(state.results, state.gallery.floor);
  place.hidden = !place.textContent;
}

// --- the grid ----------------------------------------------------------------------------------

function showHits(parts) {
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
  const { listed, candidates } = state.results;
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
  if (state.shown + stepOf() > state.results.hits.length) session.readOn();
}

// Where a gallery is browsed it goes on by itself, as long as its end is near the window.
const reached = new IntersectionObserver((entries) => {
  const { target, isIntersecting } = entries.at(-1);
  const { browsing, results, shown } = state;
  if (!isIntersecting || !browsing || !results || shown >= Math.max(results.hits.length, results.candidates)) return;
  if (shown <= results.hits.length) showMore(); // else more is on its way
  setTimeout(() => {
    reached.unobserve(target);
    reached.observe(target);
  }, LOOKED_AGAIN_AFTER);
}, { rootMargin: "600px" });

// Whether what is chosen may have left results out.
function isFiltered(asShown = true) {
  const { results, filters } = state;
  return (asShown && results.hits.length > 0) || Boolean(filters.label) || filters.where.length > 0;
}

// --- below the grid ----------------------------------------------------------------------------

function showSave(place) {
  place.replaceChildren(
    make("span", {}, "Save these results as "),
    button("JSON", () => exportJson(state.results, state.gallery.floor, { query: state.edit, words: state.words }, shownHits())),
    button("CSV", () => exportCsv(shownHits())),
    button("Contact sheet", () => exportContactSheet(shownHits())),
    copyButton(() => location.href, () => (inLink(state.edit)
      ? "Link copied" : "Copied, without the picture: an uploaded one is never in a link")),
  );
}

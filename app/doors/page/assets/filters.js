// Which of the results are shown, in which order: chosen by a visitor.

import { allIn, focusedIn, make } from "./make.js";
import * as session from "./session.js";
import { fileNameOf } from "./image_facts.js";
import { ofBrowser } from "./storage.js";

/** @import { Filters, Hit, Results } from "../types.js" */

const { state } = session;
export const SORTS = ["score", "name", "taken", "bytes"];
/** @type {Record<string, string>} */
const SORT_WORDS = { taken: "date, newest first", bytes: "size, largest first" };
/** @param {string} sort @param {boolean} browsing */
export const sortWords = (sort, browsing) => (browsing && sort === "score" ? "path" : SORT_WORDS[sort] ?? sort);
const ROUNDING = 1e-6; // of a cosine that is calculated with 32 bits

/**
 * Return the hits that the filters leave.
 * @param {Hit[]} hits
 * @param {Pick<Filters, "min_score" | "hideDuplicates">} filters
 */
export function filtered(hits, { min_score, hideDuplicates }) {
  const reaching = hits.filter(({ score }) => !min_score || score >= min_score - ROUNDING);
  const ranks = new Set(reaching.map(({ rank }) => rank));
  // One whose better result is not shown stands for the picture.
  return hideDuplicates ? reaching.filter((hit) => !hit.duplicate_of || !ranks.has(hit.duplicate_of)) : reaching;
}

/**
 * Return hits in another order than that of their ranks.
 * @param {Hit[]} hits
 * @param {string} sort
 */
export function inOrder(hits, sort) {
  const order = ORDERS[sort];
  return order ? hits.toSorted((one, other) => order(one, other) || one.rank - other.rank) : hits;
}

/** @type {Record<string, (one: Hit, other: Hit) => number>} */
const ORDERS = {
  name: (one, other) => fileNameOf(one).localeCompare(fileNameOf(other)),
  taken: (one, other) => `${other.metadata?.taken ?? ""}`.localeCompare(`${one.metadata?.taken ?? ""}`),
  bytes: (one, other) => other.bytes - one.bytes,
};

/** Return all hits to show, of which the page shows the first few. */
export function chosenHits() {
  const { results, filters, browsing } = state;
  return browsing ? results?.hits || [] : filtered(results?.hits || [], filters);
}

/**
 * Return the hits that are shown, in the order that was chosen for them: the nearest, and no other
 * ones that come first in it. Those of a list are in its order already.
 */
export function shownHits() {
  const hits = chosenHits().slice(0, state.shown);
  return state.browsing ? hits : inOrder(hits, state.filters.sort);
}

/**
 * Return the labels to choose from: those found, and the chosen one in any case.
 * @param {Results["nearest"]} nearest
 * @param {string} chosen
 * @returns {[value: string, text: string][]}
 */
export function labelOptions({ images, labels }, chosen) {
  const known = labels.some(([label]) => label === chosen);
  /** @type {typeof labels} */
  const all = chosen && !known ? [...labels, [chosen, 0]] : labels;
  /** @type {[string, string][]} */
  const options = all.map(([label, count]) => [label, `${label} (${count})`]);
  return [["", `all (${images})`], ...options];
}

/** @param {HTMLElement} place */
export function showToolbar(place) {
  if (!state.results) return;
  const { hits, nearest } = state.results;
  const { filters, browsing } = state;
  const controls = () => allIn(place, "input, select");
  const focused = controls().findIndex((each) => focusedIn(each));
  const copies = hits.filter((hit) => hit.duplicate_of).length;
  place.replaceChildren(
    ...(browsing ? [] : [
      make("label", {}, "Least score ", ...leastScore(filters.min_score)),
      make("label", {}, "Label ", select(
        "Label", labelOptions(nearest, filters.label), filters.label, (label) => session.filter({ label }),
      )),
    ]),
    make("label", {}, "Sort by ", select(
      "Sort by", SORTS.map((each) => [each, sortWords(each, browsing)]), filters.sort, (sort) => session.filter({ sort }),
    )),
    make("label", {}, "Only where ", conditionField()),
    make("label", {}, "Size ", sizeField()),
    ...(browsing ? [] : [make("label", {}, make("input", {
      type: "checkbox", checked: filters.hideDuplicates,
      onchange: ({ target }) => session.filter({ hideDuplicates: target.checked }),
    }), ` Hide near duplicates (${copies})`)]),
  );
  if (focused >= 0) controls()[focused].focus({ preventScroll: true });
}

// How large the thumbnails are, kept in this browser.
const SIZE = "ris:size";
const sizeInPixels = () => Number(ofBrowser.get(SIZE)) || 165;
const showSize = () => document.documentElement.style.setProperty("--thumb", `${sizeInPixels()}px`);

function sizeField() {
  showSize();
  return make("input", {
    type: "range", min: "90", max: "360", step: "15", value: `${sizeInPixels()}`, "aria-label": "Size of the thumbnails",
    oninput: ({ target }) => {
      ofBrowser.set(SIZE, target.value);
      showSize();
    },
  });
}

// A condition as every door takes it, such as folder=2021/spain or taken>=2021-05.
function conditionField() {
  return make("input", {
    type: "text", class: "where", "aria-label": "Only where", placeholder: "width>=800",
    title: "A column, a sign and a value: folder=2021/spain, taken>=2021-05, camera~Canon, width>=800",
    onkeydown: (event) => {
      const condition = event.target.value.trim();
      if (event.key !== "Enter" || !condition) return;
      session.filterWhere([...state.filters.where.filter((each) => each !== condition), condition]);
    },
  });
}

/** @param {number} value */
function leastScore(value) {
  const output = make("output", {}, value.toFixed(2));
  const slider = make("input", {
    type: "range", min: "0", max: "1", step: "0.01", value: `${value}`, "aria-label": "Least score",
    oninput: ({ target }) => {
      output.textContent = Number(target.value).toFixed(2);
      session.set({ filters: { ...state.filters, min_score: Number(target.value) } });
    },
    onchange: () => session.keepPlace(false), // not at each step: browsers limit changes of the address
  });
  return [slider, output];
}

/**
 * @param {string} name
 * @param {[value: string, text: string][]} options
 * @param {string} value
 * @param {(value: string) => void} onChange
 */
function select(name, options, value, onChange) {
  /** @type {HTMLSelectElement} */
  const made = make(
    "select", { "aria-label": name, onchange: () => onChange(made.value) },
    options.map(([each, text]) => make("option", { value: each, selected: each === value }, text)),
  );
  return made;
}

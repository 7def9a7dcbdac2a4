// The images that are selected among the results, for as long as their query stays.

import { currentKey } from "./places.js";
import { imageKey, onChange } from "./session.js";

/** @import { Hit, Id } from "../types.js" */

const changes = new EventTarget();
/** @type {Map<string, Hit>} */
let selected = new Map(); // of hits, by their keys
/** @type {{ from: string, before: Map<string, Hit>, to: string } | null} */
let range = null; // where the last one began, what was selected before it, and where it ended
let query = "";

/** @param {Hit} hit */
export const isSelected = (hit) => selected.has(imageKey(hit));
export const selectedHits = () => [...selected.values()];
export const selectedCount = () => selected.size;

/** @param {() => void} show */
export function onSelection(show) {
  changes.addEventListener("change", show);
  show();
}

/** @param {Map<string, Hit>} wanted */
function become(wanted) {
  selected = wanted;
  changes.dispatchEvent(new Event("change"));
}

/** @param {Hit} hit */
export function toggle(hit) {
  const key = imageKey(hit);
  const wanted = new Map(selected);
  if (!wanted.delete(key)) wanted.set(key, hit);
  range = { from: key, before: wanted, to: key };
  become(wanted);
}

/**
 * Select from where the last range began up to a hit, and no longer what that range had beyond it.
 * @param {Hit[]} hits as they are shown
 * @param {Hit} hit
 * @param {Hit} [from] where the keyboard is: a range that did not end there is left alone
 */
export function extend(hits, hit, from) {
  if (!range || (from && range.to !== imageKey(from))) {
    range = { from: imageKey(from || hit), before: selected, to: "" };
  }
  range.to = imageKey(hit);
  become(ranged(range.before, hits, range));
}

/** @type {(hit: Hit) => [key: string, Hit]} */
const keyed = (hit) => [imageKey(hit), hit];

/**
 * Return what was selected before with all hits between two of them, both included.
 * @param {Map<string, Hit>} before
 * @param {Hit[]} hits in their order
 * @param {{from: string, to: string}} ends two keys; of one that is not among the hits, the other counts
 */
export function ranged(before, hits, { from, to }) {
  const keys = hits.map(imageKey);
  const ends = [keys.indexOf(from), keys.indexOf(to)].filter((each) => each >= 0);
  const between = ends.length ? hits.slice(Math.min(...ends), Math.max(...ends) + 1) : [];
  return new Map([...before, ...between.map(keyed)]);
}

/** @param {Hit[]} hits */
export function selectAll(hits) {
  range = null;
  become(new Map([...selected, ...hits.map(keyed)]));
}

export function clearSelection() {
  range = null;
  if (selected.size) become(new Map());
}

/**
 * Leave out images that are gone from their gallery.
 * @param {string} gallery
 * @param {Id[]} ids
 */
export function dropSelected(gallery, ids) {
  become(new Map([...selected].filter(([, hit]) => hit.gallery !== gallery || !ids.includes(hit.id))));
}

/**
 * Return hits in the order in which they are shown; those that are not come last.
 * @param {Hit[]} hits
 * @param {Hit[]} shown
 */
export function inShownOrder(hits, shown) {
  const places = new Map(shown.map((hit, place) => [imageKey(hit), place]));
  /** @param {Hit} hit */
  const placeOf = (hit) => places.get(imageKey(hit)) ?? shown.length;
  return hits.toSorted((one, other) => placeOf(one) - placeOf(other));
}

// Another query has other results; filters and orders are of the same one.
onChange(() => {
  const now = currentKey();
  if (now === query) return;
  query = now;
  clearSelection();
});

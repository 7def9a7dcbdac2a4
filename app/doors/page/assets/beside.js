// A second gallery beside the chosen one: the same search there, and which results both have found.

import * as session from "./session.js";

/** @import { ChosenGallery, Gallery, Hit, OtherResults, Results, State } from "../types.js" */

const { state } = session;

/** Return whether two galleries are shown beside each other: for a query, and not for browsing. */
export const isBeside = () => Boolean(state.beside && state.gallery && session.isAsked() && !state.browsing);

/**
 * Return the request of the second side: the first one's in another gallery, or the same one's exact search.
 * @param {Pick<State, "edit" | "words" | "examples" | "filters" | "controls" | "gallery" | "beside">} shown the page's state
 */
export function requestBeside({ edit, words, examples, filters, controls, gallery, beside }) {
  const isSame = beside === gallery?.name;
  // An id means another image there: further examples are handed over as pictures.
  const pictures = examples.map(({ reference, ...each }) => (
    { ...each, reference: reference || { kind: "image", gallery: each.gallery, id: each.id } }
  ));
  const request = session.requestFor(edit, { words, examples: isSame ? examples : pictures }, filters);
  return { ...request, gallery: beside, exact: controls.exact || isSame };
}

/**
 * Show another gallery beside the chosen one; "" for that one alone.
 * @param {string} name its name; the chosen one's own for its exact search
 */
export function putBeside(name) {
  if (name === state.beside) return;
  session.set({ beside: name, other: null });
  session.keepPlace(true);
}

let asked = ""; // the request that was sent last
/** @type {Results | null} */
let askedWith = null; // the results that the first side had then
let latest = 0;

// The second side follows the first: what was asked there is asked here once that is answered, as a
// query may only then have its picture (a random one, one from an address).
session.onChange(() => queueMicrotask(follow)); // later: what is set may be the beginning of a search

async function follow() {
  if (!isBeside()) {
    asked = "";
    if (state.other || state.isOtherAwaited) session.set({ other: null, isOtherAwaited: false });
    return;
  }
  const request = requestBeside(state);
  const wanted = JSON.stringify(request);
  if (state.busy || (wanted === asked && state.results === askedWith)) return;
  asked = wanted;
  askedWith = state.results;
  latest += 1;
  const number = latest;
  session.set({ isOtherAwaited: true });
  const answer = await session.call("ask", request);
  if (number !== latest || !asked) return;
  /** @type {OtherResults} */
  const other = session.resultsOf(answer.results) || { hits: [], message: answer.message };
  session.set({ other, isOtherAwaited: false });
}

// --- what both have found ----------------------------------------------------------------------

/**
 * Return what is equal for one file in two galleries.
 * @param {{sha256?: string, path: string}} hit
 */
export const fileOf = ({ sha256, path }) => sha256 || path;

/**
 * Return the ranks of some results by their files, the best of each.
 * @param {Hit[]} hits best first
 */
export const ranksOf = (hits) => new Map(hits.toReversed().map((hit) => [fileOf(hit), hit.rank]));

/**
 * Return in a sentence how many results both sides show.
 * @param {Hit[]} one those that one side shows
 * @param {Hit[]} other those of the other
 */
export function inBoth(one, other) {
  const there = ranksOf(other);
  const both = one.filter((hit) => there.has(fileOf(hit))).length;
  const of = one.length === other.length ? `${one.length}` : `${one.length} and ${other.length}`;
  return `${both} of ${of} in both`;
}

/**
 * Return in words where the other side has a result; "only here" where it does not.
 * @param {Hit} hit
 * @param {Map<string, number>} there the other side's ranks
 */
export const placeThere = (hit, there) => (there.has(fileOf(hit)) ? `no. ${there.get(fileOf(hit))} there` : "only here");

// --- what can be compared with ------------------------------------------------------------------

/**
 * Whether two galleries are of the same pictures: folders tell it, or the name of a data set.
 * @param {ChosenGallery} one
 * @param {Gallery} other
 */
const isOfSame = (one, other) => (
  one.sources?.length ? `${one.sources}` === `${other.sources}` : Boolean(one.data) && one.data === other.data
);

/**
 * Return [name, words] of what the chosen gallery can be compared with, those of the same pictures first.
 * @param {Gallery[]} galleries all there are
 * @param {ChosenGallery} chosen
 * @param {boolean} isExact whether every search is exact already
 * @returns {[name: string, words: string][]}
 */
export function comparable(galleries, chosen, isExact) {
  const others = galleries.filter(({ name, holds, refused }) => name !== chosen.name && holds === chosen.holds && !refused);
  const same = others.filter((each) => isOfSame(chosen, each));
  const folder = chosen.sources?.length ? "folder" : "data set";
  /** @type {(gallery: Gallery, where: string) => [name: string, words: string]} */
  const words = ({ name, title, model, images }, where) => [
    name, `${title || `${name}: ${model}`}, ${where}, ${images.toLocaleString("en")} ${chosen.holds === "text" ? "texts" : "images"}`,
  ];
  /** @type {[name: string, words: string][]} */
  const itself = isExact ? [] : [[chosen.name, "This one, by exact search"]];
  return [
    ...same.map((each) => words(each, `same ${folder}`)),
    ...itself,
    ...others.filter((each) => !same.includes(each)).map((each) => words(each, "other source")),
  ];
}

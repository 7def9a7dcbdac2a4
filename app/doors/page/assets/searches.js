// The searches: what is asked of the server, and what its answers make of the state.

import {
  call, emptyAddress, fail, isAsked, keepPlace, NO_FILTERS, say, set, showGalleryNames, shownOf, state, titleOf, unknownGallery,
} from "./state.js";

/** @import { Answer, Example, Filters, GalleryImage, Hit, Id, Place, Reference, Results } from "../types.js" */
/** @typedef {{ words: string, examples: Example[] }} Besides what is asked besides a picture */

// What is wished of an example: the names of a search's parameters for its id.
export const MORE = "more";
export const LESS = "less";

const SHOWN_WHERE_BROWSED = 60;
// The columns that a gallery is listed in the order of, by the filters' names for them.
/** @type {Record<string, string>} */
const COLUMNS = { score: "path", name: "name", taken: "-taken", bytes: "-bytes" };
/** @type {Promise<unknown>} */
let ready = Promise.resolve(); // queries wait until the galleries are known
const underWay = new WeakMap(); // a list → the promise of its next part
let latest = 0; // the number of the newest request: answers to earlier ones are dropped

/** @param {Promise<unknown>} opening */
export function waitFor(opening) {
  ready = opening;
}

// Begin a request, which overtakes the one under way. Its number shows later whether it was
// overtaken itself.
export function begin() {
  set({ busy: true, searching: "", message: "", failed: false });
  latest += 1;
  return latest;
}

/** @param {number} number */
export const isLatest = (number) => number === latest;

/** @param {Answer<"ask">["results"]} results */
export const resultsOf = (results) => results && { ...results, hits: shownOf(results.hits) };

/**
 * Examples of another gallery are left out: the same ids mean other images there.
 * @param {Example[]} examples
 * @param {string} wish
 * @param {string} [gallery]
 */
const idsOf = (examples, wish, gallery) => (
  examples.filter((each) => each.wish === wish && (each.reference || each.gallery === gallery))
    .map(({ id, reference }) => reference || id)
);

/**
 * Search with `query`, null for words alone, or for none at all: then the gallery is browsed. A new
 * one becomes the original too, and drops words, further examples and filters; an edit of the current
 * one keeps them. Return whether there was such a picture, or an answer without one.
 * @param {Reference | null} query
 * @param {{ isEdit?: boolean, keep?: boolean } & Partial<Besides>} [options]
 */
export async function ask(query, { isEdit = false, keep = true, ...asked } = {}) {
  const number = begin();
  const before = state.edit;
  set({ searching: query ? "picture" : "words", whyNone: "", ...(isEdit && { edit: query }) });
  await ready;
  if (!isLatest(number)) return false;
  // Filters and order are those of one query; the first of all keeps those that a link brought.
  const filters = () => (isEdit || !(before || state.words || state.browsing) ? state.filters : NO_FILTERS);
  const { examples, words } = { ...(isEdit ? state : { examples: [], words: "" }), ...asked };
  const answer = await call("ask", requestFor(query, { examples, words }, filters()));
  if (!isLatest(number)) return false;
  if (query ? !answer.query : !answer.results) {
    set({ busy: false, ...(isEdit && { edit: before }) });
    // A refinement that failed leaves the query as it was, with its results.
    fail(answer.message, !(isEdit && asked.words === undefined));
    return false;
  }
  show(answer, { words, examples, filters: filters(), isNew: !(isEdit && query) });
  if (keep) keepPlace(true);
  if (!answer.results) await noticeVanished();
  return true;
}

/** @param {Answer<"ask">} answer @param {Besides & { filters: Filters, isNew: boolean }} asked */
function show({ query, results, message = "" }, { words, examples, filters, isNew }) {
  const browsing = isListed({ query, words, examples });
  set({
    busy: false,
    message: state.beside && !browsing ? "" : message, // else it stands in its column
    whyNone: message,
    words,
    edit: query || null,
    browsing,
    original: isNew ? query || null : state.original,
    examples: results ? examples : [],
    filters,
    results: resultsOf(results) || null,
    pointed: null,
    shown: browsing ? SHOWN_WHERE_BROWSED : state.controls.k,
  });
}

/** @param {Besides & { query?: Reference | null }} asked */
const isListed = ({ query, words, examples }) => !query && !words && !examples.length;

/** @param {Reference | null} query @param {Besides} besides @param {Filters} filters */
export function requestFor(query, { examples, words }, { label, where, sort, words_weight }) {
  const { exact, leave_out_same_file } = state.controls;
  const gallery = state.gallery?.name;
  return {
    gallery, query, words, exact, leave_out_same_file, label, where,
    more: idsOf(examples, MORE, gallery), less: idsOf(examples, LESS, gallery),
    ...(isListed({ query, words, examples }) && { sort: COLUMNS[sort] }),
    ...(query && words && { words_weight }),
  };
}

/**
 * Show the images of the gallery without a query, those alone that some conditions leave.
 * @param {string[]} [where]
 */
export function browse(where = []) {
  if (!isAsked()) set({ filters: { ...state.filters, where } });
  return ask(null);
}

/**
 * Read on in a list, of which the server gives a part at a time.
 * @returns {Promise<boolean>} whether there were further images
 */
export function readOn() {
  const { results } = state;
  if (!results?.listed || results.isRead) return Promise.resolve(false);
  if (!underWay.has(results)) underWay.set(results, readPart(results).finally(() => underWay.delete(results)));
  return underWay.get(results);
}

/** @param {Results} results */
async function readPart(results) {
  const request = requestFor(state.edit, state, state.filters);
  const answer = await call("ask", { ...request, offset: results.hits.length });
  const hits = shownOf(answer.results?.hits || []);
  results.hits.push(...hits);
  results.isRead = Boolean(answer.results) && !hits.length;
  if (results.isRead) results.candidates = results.hits.length; // what galleries share was counted twice
  if (state.results !== results) return false;
  if (answer.message) say(answer.message);
  else set({});
  return hits.length > 0;
}

/** @param {Parameters<typeof ask>[1]} [options] */
export const askAgain = (options = {}) => (isAsked() ? ask(state.edit, { isEdit: true, ...options }) : Promise.resolve(true));

/**
 * Search again with what was changed; call `undo` where that failed, as what is shown is as before.
 * @param {() => void} undo
 * @param {Parameters<typeof ask>[1]} [options]
 */
export async function askChanged(undo, options) {
  const answered = askAgain(options);
  const number = latest; // one that was overtaken has not failed
  if (!(await answered) && isLatest(number) && !state.failed) undo();
}

/**
 * Whether a text is the address of a picture, and not words: with a scheme, www. or a path.
 * @param {string} text
 */
export const isAddress = (text) => /^[a-z][a-z0-9+.-]*:\/\/|^www\.|^[^\s/]+\.[a-z]{2,}\/\S*$/i.test(text);

/**
 * Search with what was typed: the address of a picture, or words, which go with the picture that is
 * searched with.
 * @param {string} [typed]
 */
export async function search(typed) {
  const text = typed?.trim();
  if (text && isAddress(text)) {
    const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
    if (await ask({ kind: "url", url })) emptyAddress(); // otherwise it stays, to be corrected
  } else if (text) {
    if (await ask(state.edit, { isEdit: true, words: text })) emptyAddress();
  } else if (isAsked()) askAgain();
  else say("There is nothing to search with yet: drop or choose a picture, or type words.");
}

// Search without the words, or for the words without the picture.
export function dropWords() {
  if (state.edit) askAgain({ words: "" });
  else set({ words: "", results: null });
}

export const keepWordsAlone = () => ask(null, { words: state.words });

// Search with the whole original again, without its edits.
export function copyToEdit() {
  if (!state.original) say("There is no original picture yet: drop or choose one.");
  else ask({ ...state.original, box: null, turns: 0, mirrored: false }, { isEdit: true });
}

// Make the edited picture the original: a new picture, cut and turned on the server.
export async function copyToOriginal() {
  if (!state.edit) {
    say("There is nothing in the edit window yet: drop or choose a picture.");
    return;
  }
  const number = begin();
  const answer = await call("cut", { query: state.edit });
  if (!isLatest(number)) return;
  set({ busy: false });
  if (answer.query) {
    set({ original: answer.query, edit: answer.query, message: "" });
    keepPlace(true);
  } else say(answer.message);
}

/**
 * Return why the original of an image is not shown; "" if it is.
 * @param {Place} image
 */
export async function whyNoOriginal({ gallery, id }) {
  return (await call("original", { gallery, id })).missing || "";
}

// Show the message that the chosen gallery has been deleted beside the list, and take it off that.
async function noticeVanished() {
  if (!state.gallery) return;
  const { name } = state.gallery;
  const answer = await call("gallery", { gallery: name });
  if (answer.gallery || state.gallery?.name !== name) return;
  const galleries = state.galleries.filter((each) => each.name !== name);
  set({ galleries, gallery: unknownGallery(name, answer), drawn: [], message: "" });
  showGalleryNames();
}

// --- further examples --------------------------------------------------------------------------

/** @param {GalleryImage} image @param {string} wish */
export const addExample = (image, wish) => addExamples([image], wish);

/**
 * Search with some images as further examples, at once.
 * @param {GalleryImage[]} images
 * @param {string} wish
 */
export function addExamples(images, wish) {
  const added = images.map(({ gallery, id, thumbnail_url, ...hit }) => ({ gallery, id, wish, thumbnail_url, name: titleOf(hit) }));
  const ids = new Set(added.map(({ id }) => `${id}`));
  askAgain({ examples: [...state.examples.filter(({ id }) => !ids.has(`${id}`)), ...added] });
}

/**
 * Search with further uploaded files, too; return what is wrong with those that are no pictures.
 * @param {{ path: string, name: string }[]} files
 */
export async function addPictures(files) {
  const answers = await Promise.all(files.map(({ path, name }) => call("cut", { query: { kind: "upload", path, name } })));
  const further = answers.flatMap(({ query: reference }) => (reference ? [{
    id: reference.path ?? "", reference, wish: MORE, thumbnail_url: reference.src, name: reference.name ?? "",
  }] : []));
  if (further.length) await ask(state.edit, { isEdit: true, examples: [...state.examples, ...further] });
  return answers.flatMap(({ message }) => message || []);
}

/** @param {Id} id */
export function removeExample(id) {
  const examples = state.examples.filter((each) => each.id !== id);
  if (state.edit || state.words || examples.length) askAgain({ examples });
  else set({ examples, results: null });
}

// --- pointing ----------------------------------------------------------------------------------

/** @param {Hit | null} hit */
export function point(hit) {
  if (state.pointed !== hit) set({ pointed: hit });
}

// --- filters -----------------------------------------------------------------------------------

/**
 * Another label, or other conditions, are a search of their own, among all images that are so; the
 * rest needs no request. One that failed is not set.
 * @param {Partial<Filters>} change
 */
export async function filter(change) {
  const before = state.filters;
  const { label, where, sort, words_weight } = before;
  set({ filters: { ...before, ...change } });
  const isSame = state.filters.label === label && `${state.filters.where}` === `${where}`
    && (!state.browsing || state.filters.sort === sort) && state.filters.words_weight === words_weight;
  if (!isSame) {
    await askChanged(() => set({
      filters: { ...state.filters, label, where, words_weight, ...(state.browsing && { sort }) },
      results: state.results && { ...state.results },
    }), { keep: false });
  }
  keepPlace(false);
}

/**
 * Search among the images that are so; conditions that are refused leave what is shown.
 * @param {string[]} where
 */
export async function filterWhere(where) {
  const number = begin();
  const filters = { ...state.filters, where };
  const answer = await call("ask", requestFor(state.edit, state, filters));
  if (!isLatest(number)) return;
  set({ busy: false });
  if (!answer.results) say(answer.message);
  else {
    const shown = state.browsing ? SHOWN_WHERE_BROWSED : state.controls.k;
    set({ filters, results: resultsOf(answer.results), pointed: null, shown });
    keepPlace(false);
  }
}

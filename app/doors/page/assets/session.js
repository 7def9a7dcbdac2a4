// The page's state, and its requests to the server. Every part of the page shows `state` and
// changes it through the functions below; `places.js` keeps the ways back.

import { callsTo } from "./call.js";
import { ofBrowser } from "./storage.js";

/** @import { Answer, Ask, ChosenGallery, Example, Filters, GalleryImage, Gradio, Hit, Id, Place, Reference, Results, Server, State } from "../types.js" */

/** @typedef {{ words: string, examples: Example[] }} Besides what is asked besides a picture */

// Filters of the results; `min_score`, `label`, `where` and `words_weight` are parameters of a search.
/** @type {Filters} */
export const NO_FILTERS = {
  min_score: 0, label: "", where: [], sort: "score", hideDuplicates: false, words_weight: 0.5,
};

/** @type {State} */
export const state = {
  galleries: [], // the facts of each, as REST gives them
  gallery: null, // those of the chosen one
  photographs: [], // names
  drawn: [], // images of the gallery, as examples
  original: null, // references, see app/doors/page/references.py
  edit: null,
  words: "", // what the pictures should show, besides; alone where there is no picture
  browsing: false, // whether a gallery is shown without any query
  examples: [], // [{gallery, id, wish, thumbnail_url, name}], of an upload with its `reference`
  results: null, // the answer to the query, see `resultsOf`
  pointed: null, // the hit whose card has the pointer or the keyboard
  beside: "", // the gallery that is shown beside the chosen one; its own name for its exact search
  other: null, // the answer of that one, or its {message}
  isOtherAwaited: false,
  whyNone: "", // why the search found nothing here
  message: "",
  failed: false, // whether the last query failed: what was found before is not its answer
  busy: false,
  searching: "", // what it is busy with, if that is a search: "picture" or "words"
  shown: 10, // how many results are shown
  controls: { k: 10, exact: false, leave_out_same_file: false },
  filters: NO_FILTERS,
  past: [], // earlier places, newest first
};

// What is wished of an example: the names of a search's parameters for its id.
export const MORE = "more";
export const LESS = "less";

const MOST_RESULTS_AT_FIRST = 100;
const LAST = "ris:gallery"; // the one that was used last in this browser
const SHOWN_WHERE_BROWSED = 60;
// The columns that a gallery is listed in the order of, by the filters' names for them.
/** @type {Record<string, string>} */
const COLUMNS = { score: "path", name: "name", taken: "-taken", bytes: "-bytes" };
const changes = new EventTarget();
/** @type {Ask} */
let call;
let fillControls = () => {};
let fillGalleryNames = () => {};
let clearAddress = () => {};
/** @type {Promise<unknown>} */
let ready = Promise.resolve(); // queries wait until the galleries are known
const underWay = new WeakMap(); // a list → the promise of its next part
let latest = 0; // the number of the newest request: answers to earlier ones are dropped

/** @param {Server} server @param {Gradio} gradio */
export function connect(server, { controls, galleryNames, noAddress }) {
  call = callsTo(server);
  fillControls = controls;
  fillGalleryNames = galleryNames;
  clearAddress = noAddress;
}

/** @param {Promise<unknown>} opening */
export function waitFor(opening) {
  ready = opening;
}

/** @param {() => unknown} show */
export function onChange(show) {
  changes.addEventListener("change", show);
  show();
}

/**
 * Call `keep` when there is a new place to come back to, or the current one has changed.
 * @param {(place: { isNew: boolean }) => void} keep
 */
export function onPlace(keep) {
  changes.addEventListener("place", (event) => keep(/** @type {CustomEvent} */ (event).detail));
}

/** @param {boolean} isNew */
export function keepPlace(isNew) {
  changes.dispatchEvent(new CustomEvent("place", { detail: { isNew } }));
}

/** @param {Partial<State>} part */
export function set(part) {
  Object.assign(state, part);
  changes.dispatchEvent(new Event("change"));
}

/** @param {string} [message] */
export function say(message = "") {
  set({ message: "" }); // so that a repeated sentence is announced again
  set({ message });
}

/**
 * Say why a search failed. What was found before does not stand under another query.
 * @param {string} [message]
 */
export function fail(message, isAnother = true) {
  set({ failed: isAnother && Boolean(state.results) });
  say(message);
}

export const dismiss = () => set({ message: "", failed: false });

/** @param {string | null} [wanted] */
const isListedName = (wanted) => state.galleries.some(({ name }) => name === wanted);

/**
 * Whether there is a gallery of this name, or one of each of several with commas between them.
 * @param {string | null} [name]
 */
export const isKnown = (name) => isListedName(name) || Boolean(name?.includes(",") && name.split(",").every(isListedName));

// Gradio's list of galleries refuses a name that it does not hold: of several the first is shown.
const nameInList = () => [state.gallery?.name, state.gallery?.name.split(",")[0]].find(isListedName) ?? null;

export const controlValues = () => [
  nameInList(),
  state.controls.k, state.controls.exact, state.controls.leave_out_same_file,
];

export const showControls = () => fillControls();

// Whether there is anything to search with, or a gallery is browsed.
export const isAsked = () => Boolean(state.edit || state.words || state.browsing || state.examples.length);

/** @param {{ labels: string[], path: string }} image */
export const nameOf = (image) => image.labels.join(", ") || image.path;

/**
 * Whether an image is a text, of a gallery of texts.
 * @param {{ width: number, metadata?: GalleryImage["metadata"] }} image
 */
export const isText = ({ width, metadata }) => !width && metadata?.text !== undefined;

/**
 * Return the text that tells an image from all others: in several galleries ids may be equal.
 * @param {{ gallery: string, id: Id }} image
 */
export const imageKey = ({ gallery, id }) => JSON.stringify([gallery, id]);

/**
 * Whether an image is of the chosen gallery itself, and not of one of several.
 * @param {{ gallery: string }} image
 */
export const isOfChosen = ({ gallery }) => state.gallery?.name === gallery;

// --- searches ----------------------------------------------------------------------------------

/**
 * Send a request of another part of the page, in no order with those below.
 * @type {Ask}
 */
export const send = (name, request) => call(name, request);

// Begin a request, which overtakes the one under way. Its number shows later whether it was
// overtaken itself.
export function begin() {
  set({ busy: true, searching: "", message: "", failed: false });
  latest += 1;
  return latest;
}

/** @param {number} number */
export const isLatest = (number) => number === latest;

/**
 * What is shown of an image is its original, or its thumbnail where that is not here.
 * @template {{ image_url: string }} Image
 * @param {Image[]} images
 */
const shownOf = (images) => images.map((image) => (
  { ...image, shown_url: `${image.image_url}?fallback=thumbnail` }
));

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
export function askAgain(options = {}) {
  if (isAsked()) ask(state.edit, { isEdit: true, ...options });
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
    if (await ask({ kind: "url", url })) clearAddress(); // otherwise it stays, to be corrected
  } else if (text) {
    if (await ask(state.edit, { isEdit: true, words: text })) clearAddress();
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

// --- further examples --------------------------------------------------------------------------

/** @param {GalleryImage} image @param {string} wish */
export const addExample = (image, wish) => addExamples([image], wish);

/**
 * Search with some images as further examples, at once.
 * @param {GalleryImage[]} images
 * @param {string} wish
 */
export function addExamples(images, wish) {
  const added = images.map(({ gallery, id, thumbnail_url, ...hit }) => ({ gallery, id, wish, thumbnail_url, name: nameOf(hit) }));
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
 * rest needs no request.
 * @param {Partial<Filters>} change
 */
export function filter(change) {
  const { label, where, sort, words_weight } = state.filters;
  set({ filters: { ...state.filters, ...change } });
  keepPlace(false);
  const isSame = state.filters.label === label && `${state.filters.where}` === `${where}`
    && (!state.browsing || state.filters.sort === sort) && state.filters.words_weight === words_weight;
  if (!isSame) askAgain({ keep: false });
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

// --- galleries and controls --------------------------------------------------------------------

// Return the galleries, or null after showing the message why none is known.
export async function readGalleries() {
  const { galleries, photographs, message } = await call("open");
  if (!galleries) {
    set({ busy: false });
    say(message);
    return null;
  }
  set({ galleries, photographs });
  return galleries;
}

/**
 * One that was beside the chosen one, and is chosen now, changes places with it.
 * @param {string} name
 */
function besideNext(name) {
  const { beside, gallery } = state;
  if (beside === gallery?.name) return beside && name; // the exact search goes along
  return beside === name && gallery ? gallery.name : beside;
}

/**
 * Choose a gallery, and search it with the current query. An answer from the gallery before is
 * dropped. As a part of the request `partOf` it is not searched: that request goes on to do so.
 * @param {string} name
 * @param {{ partOf?: number }} [options]
 */
export async function chooseGallery(name, { partOf } = {}) {
  const number = partOf || begin();
  const known = state.galleries.find((each) => each.name === name);
  set({
    beside: besideNext(name), other: null, whyNone: "",
    gallery: known || { name, refused: "" }, filters: NO_FILTERS,
    results: null, examples: state.examples.filter(({ reference }) => reference), drawn: [], busy: Boolean(partOf),
  });
  const answer = await call("gallery", { gallery: name });
  if (state.gallery?.name !== name) return; // another one was chosen meanwhile
  const { gallery = unknown(name, answer), examples = [] } = answer;
  if (!gallery.refused) keepLast(name);
  set({ gallery, drawn: shownOf(examples) });
  if (partOf || !isLatest(number)) return;
  if (isAsked() && !gallery.refused) askAgain();
  else keepPlace(false);
}

/** @type {(name: string, answer: { message?: string }) => ChosenGallery} */
const unknown = (name, { message = "" }) => ({ name, refused: message });

// Return the name of the gallery that was used last in this browser; null where there was none.
export const lastGallery = () => ofBrowser.get(LAST);
/** @param {string} name */
export const keepLast = (name) => ofBrowser.set(LAST, name);

export async function readFacets() {
  return (await call("facets", { gallery: state.gallery?.name, where: state.filters.where })).facets || [];
}

/** @param {string} name */
export async function whyNoGallery(name) {
  return (await call("gallery", { gallery: name })).message;
}

// Show the message that the chosen gallery has been deleted beside the list, and take it off that.
async function noticeVanished() {
  if (!state.gallery) return;
  const { name } = state.gallery;
  const answer = await call("gallery", { gallery: name });
  if (answer.gallery || state.gallery?.name !== name) return;
  const galleries = state.galleries.filter((each) => each.name !== name);
  set({ galleries, gallery: unknown(name, answer), drawn: [], message: "" });
  fillGalleryNames();
}

// Read the list of galleries again, after one was made or changed; return why there is none.
export async function readGalleriesAgain() {
  const { galleries, photographs, message } = await call("open");
  if (galleries) set({ galleries, photographs });
  fillGalleryNames();
  return message;
}

// Read the facts of the chosen gallery again, and other images of it as `examples`.
export async function readGalleryAgain({ examples = true } = {}) {
  if (!state.gallery) return;
  const { name } = state.gallery;
  const answer = await call("gallery", { gallery: name });
  if (state.gallery?.name !== name) return;
  const drawn = answer.examples && examples ? shownOf(answer.examples) : state.drawn;
  set({ gallery: answer.gallery || unknown(name, answer), drawn });
}

/** @param {string} name */
export async function searchIn(name) {
  await chooseGallery(name);
  showControls();
}

export async function drawExamples() {
  if (!state.gallery || state.gallery.refused) return;
  const { name } = state.gallery;
  const answer = await call("gallery", { gallery: name });
  if (answer.examples && state.gallery?.name === name) set({ drawn: shownOf(answer.examples) });
}

/**
 * Take over the values of Gradio's controls.
 * @param {string | null} gallery
 * @param {number} number
 * @param {boolean} exact
 * @param {boolean} leave_out_same_file
 */
export function controlsChanged(gallery, number, exact, leave_out_same_file) {
  const before = state.controls;
  const k = Math.min(MOST_RESULTS_AT_FIRST, Math.max(1, Math.round(number) || before.k));
  state.controls = { k, exact, leave_out_same_file };
  if (Number.isFinite(number) && number !== k) fillControls(); // what was typed is not what is shown
  if (gallery && gallery !== nameInList()) chooseGallery(gallery);
  else if (exact !== before.exact || leave_out_same_file !== before.leave_out_same_file) askAgain();
  else if (k !== before.k) {
    set({ shown: k });
    keepPlace(false);
  }
}

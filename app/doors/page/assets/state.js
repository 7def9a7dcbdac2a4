// What the page shows: its state, how it changes, and who is told; and the way to the server.

import { callsTo } from "./call.js";

/** @import { Ask, ChosenGallery, Filters, GalleryImage, Gradio, Id, Reference, Server, State } from "../types.js" */

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

const changes = new EventTarget();
/** @type {Ask} */
let request;
let fillControls = () => {};
let fillGalleryNames = () => {};
let clearAddress = () => {};

/** @param {Server} server @param {Gradio} gradio */
export function connect(server, { controls, galleryNames, noAddress }) {
  request = callsTo(server);
  fillControls = controls;
  fillGalleryNames = galleryNames;
  clearAddress = noAddress;
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
export const nameInList = () => [state.gallery?.name, state.gallery?.name.split(",")[0]].find(isListedName) ?? null;

export const controlValues = () => [
  nameInList(),
  state.controls.k, state.controls.exact, state.controls.leave_out_same_file,
];

export const showControls = () => fillControls();
export const showGalleryNames = () => fillGalleryNames();
export const emptyAddress = () => clearAddress();

// Whether there is anything to search with, or a gallery is browsed.
export const isAsked = () => Boolean(state.edit || state.words || state.browsing || state.examples.length);

/** @param {{ labels: string[], path: string }} image */
export const nameOf = (image) => image.labels.join(", ") || image.path;

/**
 * Return what tells an image from others of its labels: its file's name, then those.
 * @param {{ labels: string[], path: string }} image
 */
export const titleOf = ({ labels, path }) => (labels.length ? [path.split("/").at(-1), ...labels].join(", ") : path);

/**
 * Whether an image is a text, of a gallery of texts.
 * @param {{ width: number, metadata?: GalleryImage["metadata"] }} image
 */
export const isText = ({ width, metadata }) => !width && metadata?.text !== undefined;

/**
 * Whether a query is a text, of a gallery of texts: there is no picture of it.
 * @param {Reference | null} query
 */
export const asksWithText = (query) => (
  query?.kind === "image" && state.galleries.find(({ name }) => name === query.gallery)?.holds === "text"
);

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

/**
 * What is shown of an image is its original, or its thumbnail where that is not here.
 * @template {{ image_url: string }} Image
 * @param {Image[]} images
 */
export const shownOf = (images) => images.map((image) => (
  { ...image, shown_url: `${image.image_url}?fallback=thumbnail` }
));

/**
 * Return what is known of a gallery that did not answer with its facts.
 * @type {(name: string, answer: { message?: string }) => ChosenGallery}
 */
export const unknownGallery = (name, { message = "" }) => ({ name, refused: message });

/**
 * Send a request, in no order with others.
 * @type {Ask}
 */
export const call = (name, body) => request(name, body);

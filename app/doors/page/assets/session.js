// The page's state, and its requests to the server. Every part of the page shows `state` and
// changes it through the functions below; `places.js` keeps the ways back.

import { callsTo } from "./call.js";

// Filters of the results; `min_score` and `label` are parameters of a search.
export const NO_FILTERS = { min_score: 0, label: "", sort: "score", hideDuplicates: false };

export const state = {
  galleries: [], // the facts of each, as REST gives them
  gallery: null, // those of the chosen one
  photographs: [], // names
  drawn: [], // images of the gallery, as examples
  original: null, // references, see app/doors/page/references.py
  edit: null,
  examples: [], // [{gallery, id, wish, thumbnail_url, name}]
  results: null, // the answer to the query, see `resultsOf`
  pointed: null, // the hit whose card has the pointer or the keyboard
  message: "",
  busy: false,
  shown: 10, // how many results are shown
  controls: { k: 10, exact: false, leave_out_same_file: false },
  filters: NO_FILTERS,
  past: [], // earlier places, newest first
};

// What is wished of an example: the names of a search's parameters for its id.
export const MORE = "more";
export const LESS = "less";

const MOST_RESULTS_AT_FIRST = 100;
const changes = new EventTarget();
let call = null;
let fillControls = () => {};
let fillGalleryNames = () => {};
let clearAddress = () => {};
let ready = Promise.resolve(); // queries wait until the galleries are known
let latest = 0; // the number of the newest request: answers to earlier ones are dropped

// Connect Gradio's parts: `controls` sets its controls from the session, `galleryNames` reloads the
// list of galleries, `noAddress` empties the address field.
export function connect(server, { controls, galleryNames, noAddress }) {
  call = callsTo(server);
  fillControls = controls;
  fillGalleryNames = galleryNames;
  clearAddress = noAddress;
}

export function waitFor(opening) {
  ready = opening;
}

export function onChange(show) {
  changes.addEventListener("change", show);
  show();
}

// Call `keep({ isNew })` when there is a new place to come back to, or the current one has changed.
export function onPlace(keep) {
  changes.addEventListener("place", ({ detail }) => keep(detail));
}

export function keepPlace(isNew) {
  changes.dispatchEvent(new CustomEvent("place", { detail: { isNew } }));
}

export function set(part) {
  Object.assign(state, part);
  changes.dispatchEvent(new Event("change"));
}

export function say(message) {
  set({ message: "" }); // so that a repeated sentence is announced again
  set({ message });
}

// Gradio's list of galleries refuses a name that it does not hold.
export const controlValues = () => [
  state.galleries.some(({ name }) => name === state.gallery?.name) ? state.gallery.name : null,
  state.controls.k, state.controls.exact, state.controls.leave_out_same_file,
];

export const showControls = () => fillControls();

export const nameOf = (image) => image.labels.join(", ") || image.path;

// --- searches ----------------------------------------------------------------------------------

// Begin a request, which overtakes the one under way. Its number shows later whether it was
// overtaken itself.
export function begin() {
  set({ busy: true, message: "" });
  latest += 1;
  return latest;
}

export const isLatest = (number) => number === latest;

// What is shown of an image is its original, or its thumbnail where that is not here.
const shownOf = (images) => images.map((image) => (
  { ...image, shown_url: `${image.image_url}?fallback=thumbnail` }
));

const resultsOf = (results) => results && { ...results, hits: shownOf(results.hits) };

// Examples of another gallery are left out: the same ids mean other images there.
const idsOf = (examples, wish, gallery) => (
  examples.filter((each) => each.wish === wish && each.gallery === gallery).map(({ id }) => id)
);

// A score and a label are chosen for one query in one gallery; order and duplicates for all.
const filtersOfNext = (filters) => ({ ...filters, min_score: NO_FILTERS.min_score, label: NO_FILTERS.label });

// Search with `query`. A new one becomes the original too, and drops further examples and filters;
// an edit of the current one keeps both. Return whether there was such a picture.
export async function ask(query, { isEdit = false, keep = true, examples } = {}) {
  const number = begin();
  const before = state.edit;
  if (isEdit) set({ edit: query });
  await ready;
  if (!isLatest(number)) return false;
  // The first query of all keeps the filters that a link brought.
  const filters = () => (isEdit || !before ? state.filters : filtersOfNext(state.filters));
  const asked = examples || (isEdit ? state.examples : []);
  const { exact, leave_out_same_file } = state.controls;
  const gallery = state.gallery?.name;
  const answer = await call("ask", {
    gallery, query, exact, leave_out_same_file, label: filters().label,
    more: idsOf(asked, MORE, gallery), less: idsOf(asked, LESS, gallery),
  });
  if (!isLatest(number)) return false;
  if (!answer.query) {
    set({ busy: false, message: answer.message, ...(isEdit && { edit: before }) });
    return false;
  }
  set({
    busy: false,
    message: answer.message || "",
    edit: answer.query,
    original: isEdit ? state.original : answer.query,
    examples: answer.results ? asked : [],
    filters: filters(),
    results: resultsOf(answer.results) || null,
    pointed: null,
    shown: state.controls.k,
  });
  if (keep) keepPlace(true);
  if (!answer.results) await noticeVanished();
  return true;
}

export function askAgain(options = {}) {
  if (state.edit) ask(state.edit, { isEdit: true, ...options });
}

export async function search(address) {
  const url = address?.trim();
  if (url) {
    if (await ask({ kind: "url", url })) clearAddress(); // otherwise it stays, to be corrected
  } else if (state.edit) askAgain();
  else say("There is no picture to search with yet: drop or choose one.");
}

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

// Return why the original of an image is not shown; "" if it is.
export async function whyNoOriginal({ gallery, id }) {
  return (await call("original", { gallery, id })).missing || "";
}

// --- further examples --------------------------------------------------------------------------

export function addExample({ gallery, id, thumbnail_url, ...hit }, wish) {
  const example = { gallery, id, wish, thumbnail_url, name: nameOf(hit) };
  askAgain({ examples: [...state.examples.filter((each) => `${each.id}` !== `${id}`), example] });
}

export function removeExample(id) {
  askAgain({ examples: state.examples.filter((each) => each.id !== id) });
}

// --- pointing ----------------------------------------------------------------------------------

export function point(hit) {
  if (state.pointed !== hit) set({ pointed: hit });
}

// --- filters -----------------------------------------------------------------------------------

// Another label is a search of its own, among all images that have it; the rest needs no request.
export function filter(change) {
  const { label } = state.filters;
  set({ filters: { ...state.filters, ...change } });
  keepPlace(false);
  if (state.filters.label !== label) askAgain({ keep: false });
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

// Choose a gallery, and search it with the current query. An answer from the gallery before is
// dropped. As a part of the request `partOf` it is not searched: that request goes on to do so.
export async function chooseGallery(name, { partOf } = {}) {
  const number = partOf || begin();
  const known = state.galleries.find((each) => each.name === name);
  set({
    gallery: known || { name, refused: "" }, filters: filtersOfNext(state.filters),
    results: null, examples: [], drawn: [], busy: Boolean(partOf),
  });
  const answer = await call("gallery", { gallery: name });
  if (state.gallery?.name !== name) return; // another one was chosen meanwhile
  const { gallery = { name, refused: answer.message }, examples = [] } = answer;
  set({ gallery, drawn: shownOf(examples) });
  if (partOf || !isLatest(number)) return;
  if (state.edit && !gallery.refused) askAgain();
  else keepPlace(false);
}

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
  set({ galleries, gallery: { name, refused: answer.message }, drawn: [], message: "" });
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
  const { name } = state.gallery;
  const answer = await call("gallery", { gallery: name });
  if (state.gallery?.name !== name) return;
  const drawn = answer.gallery && examples ? shownOf(answer.examples) : state.drawn;
  set({ gallery: answer.gallery || { name, refused: answer.message }, drawn });
}

export async function searchIn(name) {
  await chooseGallery(name);
  showControls();
}

export async function drawExamples() {
  if (!state.gallery || state.gallery.refused) return;
  const { name } = state.gallery;
  const answer = await call("gallery", { gallery: name });
  if (answer.gallery && state.gallery?.name === name) set({ drawn: shownOf(answer.examples) });
}

// Take over the values of Gradio's controls.
export function controlsChanged(gallery, number, exact, leave_out_same_file) {
  const before = state.controls;
  const k = Math.min(MOST_RESULTS_AT_FIRST, Math.max(1, Math.round(number) || before.k));
  state.controls = { k, exact, leave_out_same_file };
  if (gallery && gallery !== state.gallery?.name) chooseGallery(gallery);
  else if (exact !== before.exact || leave_out_same_file !== before.leave_out_same_file) askAgain();
  else if (k !== before.k) {
    set({ shown: k });
    keepPlace(false);
  }
}

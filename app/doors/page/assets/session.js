// What the page shows, and its questions about it. Every part of the page shows `state` and changes
// it through the functions below; `places.js` keeps the ways back.

import { callsTo } from "./call.js";

export const state = {
  galleries: [], // [answers.gallery]
  gallery: null, // answers.gallery of the chosen one
  photographs: [],
  drawn: [], // images of the gallery, as examples
  original: null, // references, see app/doors/page/references.py
  edit: null,
  examples: [], // [{gallery, id, weight, thumbnail, name}]
  results: null, // answers.results
  message: "",
  busy: false,
  shown: 10, // how many results are shown
  controls: { k: 10, exact: false, leaveOut: false },
  filters: { least: 0, label: "", sort: "score", hideDuplicates: false },
  past: [], // earlier places, newest first
};

// How much an example weighs against the query.
export const MORE = 1;
export const LESS = -0.5;

const MOST_RESULTS_AT_FIRST = 100;
const changes = new EventTarget();
let call = null;
let fillControls = () => {};
let fillGalleryNames = () => {};
let clearAddress = () => {};
let ready = Promise.resolve(); // until the galleries are known, questions wait
let latest = 0; // the number of the last question: answers to earlier ones are dropped

// Let Gradio's parts be reached: `controls` shows what the session holds, `galleryNames` what
// galleries there are, `noAddress` empties the field of an address.
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

// Hear of a new place to come back to (`event.isNew`), or of a change to the one that is shown.
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
  set({ message: "" }); // so that the same sentence is announced again
  set({ message });
}

// Gradio's list of galleries takes no name that it does not hold.
export const controlValues = () => [
  state.galleries.some(({ name }) => name === state.gallery?.name) ? state.gallery.name : null,
  state.controls.k, state.controls.exact, state.controls.leaveOut,
];

export const showControls = () => fillControls();

export const nameOf = (image) => image.labels.join(", ") || image.path;

// --- questions ---------------------------------------------------------------------------------

// What is begun now overtakes whatever is under way; its number tells later whether it is overtaken.
export function begin() {
  set({ busy: true, message: "" });
  latest += 1;
  return latest;
}

export const isLatest = (number) => number === latest;

// Search with `query`. A new one becomes the original too, and is asked without further examples;
// an edit of what is there keeps both. Returns whether there was such a picture.
export async function ask(query, { isEdit = false, keep = true, examples } = {}) {
  const number = begin();
  const before = state.edit;
  if (isEdit) set({ edit: query });
  await ready;
  if (!isLatest(number)) return false;
  const asked = examples || (isEdit ? state.examples : []);
  const { exact, leaveOut } = state.controls;
  const answer = await call("ask", {
    gallery: state.gallery?.name, query, exact, leaveOut, label: state.filters.label,
    examples: asked.map(({ gallery, id, weight }) => ({ gallery, id, weight })),
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
    results: answer.results || null,
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
    if (await ask({ kind: "url", url })) clearAddress(); // else it stays, to be corrected
  } else if (state.edit) askAgain();
  else say("There is no picture to search with yet: drop or choose one.");
}

export function mirrorToEdit() {
  if (!state.original) say("There is no original picture yet: drop or choose one.");
  else ask({ ...state.original, box: null, turns: 0, mirrored: false }, { isEdit: true });
}

export async function mirrorToOriginal() {
  if (!state.edit) {
    say("There is nothing in the edit window yet.");
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

// --- further examples --------------------------------------------------------------------------

export function addExample({ gallery, id, thumbnail, ...hit }, weight) {
  const example = { gallery, id, weight, thumbnail, name: nameOf(hit) };
  askAgain({ examples: [...state.examples.filter((each) => `${each.id}` !== `${id}`), example] });
}

export function removeExample(id) {
  askAgain({ examples: state.examples.filter((each) => each.id !== id) });
}

// --- galleries and controls --------------------------------------------------------------------

// Return the galleries that there are, or null, having said why none is known.
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

// Choose a gallery. An answer from the one before is not wanted any more. It is searched with the
// query that is there, unless it is chosen as a part of what was begun under `partOf`.
export async function chooseGallery(name, { partOf } = {}) {
  const number = partOf || begin();
  const known = state.galleries.find((each) => each.name === name);
  set({ gallery: known || { name, refused: "" }, results: null, examples: [], drawn: [], busy: Boolean(partOf) });
  const answer = await call("gallery", { gallery: name });
  if (state.gallery.name !== name) return; // another one was chosen meanwhile
  const { gallery = { name, refused: answer.message }, examples: drawn = [] } = answer;
  set({ gallery, drawn });
  if (partOf || !isLatest(number)) return;
  if (state.edit && !gallery.refused) askAgain();
  else keepPlace(false);
}

export async function whyNoGallery(name) {
  return (await call("gallery", { gallery: name })).message;
}

// A gallery that went while the page was open is told beside the galleries, and is no choice any more.
async function noticeVanished() {
  const { name } = state.gallery;
  const answer = await call("gallery", { gallery: name });
  if (answer.gallery || state.gallery.name !== name) return;
  const galleries = state.galleries.filter((each) => each.name !== name);
  set({ galleries, gallery: { name, refused: answer.message }, drawn: [], message: "" });
  fillGalleryNames();
}

// A gallery was made: it can be chosen from now on.
export async function galleriesChanged() {
  const { galleries, photographs } = await call("open");
  if (galleries) set({ galleries, photographs });
  fillGalleryNames();
}

export async function searchIn(name) {
  await chooseGallery(name);
  showControls();
}

export async function drawExamples() {
  if (!state.gallery || state.gallery.refused) return;
  const answer = await call("gallery", { gallery: state.gallery.name });
  if (answer.gallery?.name === state.gallery.name) set({ drawn: answer.examples });
}

// Gradio's own controls tell their values here.
export function controlsChanged(gallery, number, exact, leaveOut) {
  const before = state.controls;
  const k = Math.min(MOST_RESULTS_AT_FIRST, Math.max(1, Math.round(number) || before.k));
  state.controls = { k, exact, leaveOut };
  if (gallery && gallery !== state.gallery?.name) chooseGallery(gallery);
  else if (exact !== before.exact || leaveOut !== before.leaveOut) askAgain();
  else if (k !== before.k) {
    set({ shown: k });
    keepPlace(false);
  }
}

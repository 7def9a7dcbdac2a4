// The page's state in the browser, its questions to the server, and the ways back.
// Every part of the page shows `state` and changes it through the functions below.

import { addressOf, readAddress } from "./address.js";

export { LESS, MORE, addressOf } from "./address.js";

export const state = {
  galleries: [], // [answers.gallery]
  gallery: null, // answers.gallery of the chosen one
  photographs: [],
  drawn: [], // images of the gallery, as examples
  original: null, // references, see app/page/queries.py
  edit: null,
  examples: [], // [{gallery, id, weight, thumbnail, name}]
  results: null, // answers.results
  message: "",
  busy: false,
  shown: 10, // how many results are shown
  controls: { k: 10, exact: false, leaveOut: false },
  filters: { least: 0, label: "", sort: "score", hideDuplicates: false },
  past: [], // earlier queries, newest first
};

const MOST_PAST = 20;
const changes = new EventTarget();
let server = null;
let setControls = () => {};
let opened = null; // a promise: the galleries are known
let listGalleries = () => {};
let latest = 0; // the number of the last question: answers to earlier ones are dropped

export function onChange(show) {
  changes.addEventListener("change", show);
  show();
}

export function set(part) {
  Object.assign(state, part);
  changes.dispatchEvent(new Event("change"));
}

export function say(message) {
  set({ message: "" }); // so that the same sentence is announced again
  set({ message });
}

async function call(name, request) {
  try {
    return await server[name](request);
  } catch {
    return { message: "The server does not answer: see whether it still runs, then try again." };
  }
}

// --- questions ---------------------------------------------------------------------------------

// What is begun now overtakes whatever is under way; its number tells later whether it is overtaken.
export function begin() {
  set({ busy: true, message: "" });
  latest += 1;
  return latest;
}

export const isLatest = (number) => number === latest;

// Search with `query`. It becomes the original too, unless it is an edit of what is there.
export async function ask(query, { isEdit = false, remember = true } = {}) {
  const number = begin();
  if (isEdit) set({ edit: query });
  await opened;
  if (!isLatest(number)) return;
  const { exact, leaveOut } = state.controls;
  const examples = state.examples.map(({ gallery, id, weight }) => ({ gallery, id, weight }));
  const answer = await call("ask", {
    gallery: state.gallery?.name, query, exact, leaveOut, examples,
  });
  if (!isLatest(number)) return;
  const part = { busy: false, message: answer.message || "" };
  if (answer.query) {
    part.edit = answer.query;
    part.original = isEdit ? state.original : answer.query;
    part.results = answer.results || null;
    part.shown = state.controls.k;
  }
  set(part);
  if (answer.query && remember) record();
}

export function askAgain(options = {}) {
  if (state.edit) ask(state.edit, { isEdit: true, ...options });
}

export function search(url) {
  if (url?.trim()) ask({ kind: "url", url });
  else if (state.edit) askAgain();
  else say("There is no picture to search with yet: drop or choose one.");
}

export function mirrorToEdit() {
  if (!state.original) say("There is no original picture yet: drop or choose one.");
  else {
    begin();
    set({ edit: { ...state.original, box: null, turns: 0, mirrored: false }, busy: false });
  }
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
  if (answer.query) set({ original: answer.query, edit: answer.query, message: "" });
  else say(answer.message);
}

// --- further examples --------------------------------------------------------------------------

export function addExample(hit, weight) {
  const others = state.examples.filter((each) => each.id !== hit.id);
  const { gallery, id, thumbnail } = hit;
  set({ examples: [...others, { gallery, id, weight, thumbnail, name: nameOf(hit) }] });
  askAgain();
}

export function removeExample(id) {
  set({ examples: state.examples.filter((each) => each.id !== id) });
  askAgain();
}

export function nameOf(image) {
  return image.labels.join(", ") || image.path;
}

// --- galleries and controls --------------------------------------------------------------------

// An answer from the gallery before is not wanted any more. The gallery is searched with the query
// that is there, unless it is chosen as a part of something else, begun under `number`.
export async function chooseGallery(name, { number: whole } = {}) {
  const number = whole || begin();
  const known = state.galleries.find((each) => each.name === name);
  set({
    gallery: known || { name, refused: "not asked yet" },
    results: null, examples: [], drawn: [], busy: Boolean(whole),
  });
  const answer = await call("gallery", { gallery: name });
  if (state.gallery.name !== name) return; // another one was chosen meanwhile
  const { gallery = { name, refused: answer.message }, examples: drawn = [] } = answer;
  set({ gallery, drawn });
  if (gallery.refused) say(gallery.refused);
  else if (!whole && isLatest(number)) askAgain();
}

// A gallery was made: it can be chosen from now on.
export async function galleriesChanged() {
  const { galleries, photographs } = await call("open", {});
  if (galleries) set({ galleries, photographs });
  listGalleries();
}

export async function searchIn(name) {
  await chooseGallery(name);
  setControls();
}

export async function drawExamples() {
  if (!state.gallery || state.gallery.refused) return;
  const answer = await call("gallery", { gallery: state.gallery.name });
  if (answer.gallery?.name === state.gallery.name) set({ drawn: answer.examples });
}

// Gradio's own controls tell their values here.
export function controlsChanged(gallery, k, exact, leaveOut) {
  const before = state.controls;
  state.controls = { k, exact, leaveOut };
  if (gallery && gallery !== state.gallery?.name) chooseGallery(gallery);
  else if (exact !== before.exact || leaveOut !== before.leaveOut) askAgain();
  else if (k !== before.k) {
    set({ shown: k });
    remember();
  }
}

// --- the address bar, Back, and the strip of earlier queries -----------------------------------

function record() {
  const { edit, original } = state;
  const key = keyOf(edit);
  const past = [{ edit, original, key }, ...state.past.filter((each) => each.key !== key)];
  set({ past: past.slice(0, MOST_PAST) });
  const place = placeOf();
  const address = addressOf(place);
  if (address === location.search && history.state?.place) history.replaceState({ place }, "", address);
  else history.pushState({ place }, "", address);
}

// What is filtered changes the address of the same place.
export function remember() {
  const place = placeOf();
  history.replaceState({ place }, "", addressOf(place));
}

export function goBackTo({ edit, original }) {
  set({ original });
  ask(edit, { isEdit: true });
}

export function keyOf({ kind, path, gallery, id, box, turns, mirrored }) {
  return JSON.stringify([kind, path, gallery, id, box || null, turns || 0, Boolean(mirrored)]);
}

function placeOf() {
  const { original, edit, examples, controls, filters, gallery } = state;
  return { original, edit, examples, controls, filters, gallery: gallery?.name };
}

async function comeBack({ gallery, original, edit, examples, controls, filters }) {
  const number = begin();
  if (gallery && gallery !== state.gallery?.name) await chooseGallery(gallery, { number });
  if (!isLatest(number)) return;
  set({ original, edit, examples, controls, filters, busy: false, ...(!edit && { results: null }) });
  setControls();
  if (edit) askAgain({ remember: false });
}

// The galleries are asked for and one is chosen; what is asked before that waits for it.
async function open(number) {
  const answer = await call("open", {});
  if (!answer.galleries) {
    set({ busy: false });
    say(answer.message);
    return null;
  }
  const { galleries, photographs } = answer;
  set({ galleries, photographs });
  const link = readAddress(location.search);
  const usable = galleries.filter(({ refused }) => !refused);
  const known = galleries.some(({ name }) => name === link.gallery);
  const chosen = known ? link.gallery : (usable[0] || galleries[0]).name;
  await chooseGallery(chosen, { number });
  set({ controls: link.controls, filters: link.filters, shown: link.controls.k });
  setControls();
  return { ...link, known };
}

async function follow(link, number) {
  if (!link || !isLatest(number)) return; // a picture was brought before the page was open
  set({ examples: link.examples, busy: false });
  if (link.gallery && !link.known) say((await call("gallery", { gallery: link.gallery })).message);
  else if (link.query) await ask(link.query);
  else if (!state.message) history.replaceState({ place: placeOf() }, "", location.search || "?");
}

// `controls` is what Gradio's own controls are set to when a place is come back to; `listGalleries`
// fills the one that holds the galleries' names.
export function start({ server: functions, setControls: setThem, listGalleries: listThem }) {
  server = functions;
  setControls = setThem;
  listGalleries = listThem;
  window.session = {
    controlsChanged,
    search,
    drawExamples,
    random: () => ask({ kind: "random" }),
    controls: () => [
      state.gallery?.name, state.controls.k, state.controls.exact, state.controls.leaveOut,
    ],
  };
  window.addEventListener("popstate", ({ state: kept }) => {
    if (kept?.place) comeBack(kept.place);
  });
  const number = begin();
  opened = open(number);
  opened.then((link) => follow(link, number));
}

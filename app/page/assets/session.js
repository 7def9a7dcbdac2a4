// The page's state in the browser, its questions to the server, and the address bar.
// Every part of the page shows `state` and changes it through the functions below.

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

// Search with `query`. It becomes the original too, unless it is an edit of what is there.
export async function ask(query, { isEdit = false, remember = true } = {}) {
  const number = ++latest;
  set({ busy: true, message: "", ...(isEdit && { edit: query }) });
  const { exact, leaveOut } = state.controls;
  const examples = state.examples.map(({ gallery, id, weight }) => ({ gallery, id, weight }));
  const answer = await call("ask", {
    gallery: state.gallery?.name, query, exact, leaveOut, examples,
  });
  if (number !== latest) return;
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
  else set({ edit: { ...state.original, box: null, turns: 0, mirrored: false }, message: "" });
}

export async function mirrorToOriginal() {
  if (!state.edit) {
    say("There is nothing in the edit window yet.");
    return;
  }
  const number = ++latest;
  const answer = await call("cut", { query: state.edit });
  if (number !== latest) return;
  if (answer.query) set({ original: answer.query, edit: answer.query, message: "" });
  else say(answer.message);
}

// --- further examples --------------------------------------------------------------------------

export const MORE = 1;
export const LESS = -0.5;

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

export async function chooseGallery(name, { search: searches = true } = {}) {
  set({ results: null, examples: [], drawn: [], message: "" });
  const answer = await call("gallery", { gallery: name });
  if (answer.gallery) set({ gallery: answer.gallery, drawn: answer.examples });
  else say(answer.message);
  if (answer.gallery?.refused) say(answer.gallery.refused);
  else if (answer.gallery && searches) askAgain();
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

// The link to what is shown. An uploaded picture has none: it stays on this machine.
export function addressOf({ edit, examples, controls, filters, gallery }) {
  const parts = new URLSearchParams();
  const put = (name, value) => { if (value) parts.set(name, value); };
  put("gallery", gallery);
  if (edit?.kind === "image") put("image", `${edit.id}`);
  if (edit?.kind === "image" && edit.gallery !== gallery) put("from", edit.gallery);
  put("photograph", edit?.photograph);
  put("url", edit?.url);
  if (parts.has("image") || parts.has("url") || parts.has("photograph")) {
    put("box", edit.box?.map((side) => +side.toFixed(4)).join());
    put("turns", edit.turns);
    put("mirrored", edit.mirrored ? "1" : "");
    put("more", examples.filter(({ weight }) => weight > 0).map(({ id }) => id).join());
    put("less", examples.filter(({ weight }) => weight < 0).map(({ id }) => id).join());
  }
  if (controls.k !== 10) put("k", controls.k);
  put("exact", controls.exact ? "1" : "");
  put("without", controls.leaveOut ? "1" : "");
  put("least", filters.least);
  put("label", filters.label);
  if (filters.sort !== "score") put("sort", filters.sort);
  put("hide", filters.hideDuplicates ? "1" : "");
  return `?${parts}`;
}

function readAddress(address) {
  const parts = new URLSearchParams(address);
  const number = (name, least, most, otherwise) => {
    const value = Number(parts.get(name) ?? NaN);
    return value >= least && value <= most ? value : otherwise;
  };
  const ids = (name, weight) => (parts.get(name) || "").split(",").filter((id) => /^\d+$/.test(id))
    .map((id) => ({
      gallery: parts.get("gallery"), id: Number(id), weight, name: `image ${id}`,
      thumbnail: `galleries/${encodeURIComponent(parts.get("gallery"))}/images/${id}/thumbnail`,
    }));
  const edits = {
    box: parts.has("box") ? parts.get("box").split(",").map(Number) : null,
    turns: number("turns", 0, 3, 0),
    mirrored: parts.get("mirrored") === "1",
  };
  let query = null;
  if (parts.has("image")) {
    query = { kind: "image", gallery: parts.get("from") || parts.get("gallery"), id: parts.get("image"), ...edits };
  } else if (parts.has("url")) query = { kind: "url", url: parts.get("url"), ...edits };
  else if (parts.has("photograph")) {
    query = { kind: "photograph", name: parts.get("photograph"), ...edits };
  }
  return {
    gallery: parts.get("gallery"),
    query,
    examples: [...ids("more", MORE), ...ids("less", LESS)],
    controls: {
      k: Math.round(number("k", 1, 100, 10)),
      exact: parts.get("exact") === "1",
      leaveOut: parts.get("without") === "1",
    },
    filters: {
      least: number("least", 0, 1, 0),
      label: parts.get("label") || "",
      sort: parts.get("sort") === "name" ? "name" : "score",
      hideDuplicates: parts.get("hide") === "1",
    },
  };
}

async function comeBack({ gallery, original, edit, examples, controls, filters }) {
  latest += 1; // whatever is under way is not wanted any more
  if (gallery && gallery !== state.gallery?.name) await chooseGallery(gallery, { search: false });
  set({ original, edit, examples, controls, filters, busy: false, ...(!edit && { results: null }) });
  setControls();
  if (edit) askAgain({ remember: false });
}

async function open() {
  const answer = await call("open", {});
  if (answer.message) {
    say(answer.message);
    return;
  }
  const { galleries, photographs } = answer;
  set({ galleries, photographs });
  const link = readAddress(location.search);
  const usable = galleries.filter(({ refused }) => !refused);
  const chosen = link.gallery || (usable[0] || galleries[0]).name;
  state.controls = link.controls;
  await chooseGallery(chosen, { search: false });
  set({ examples: link.examples, filters: link.filters, shown: link.controls.k });
  setControls();
  if (link.query && state.gallery) await ask(link.query);
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
  open();
}

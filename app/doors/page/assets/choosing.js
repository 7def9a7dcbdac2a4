// The galleries and the controls: which there are, which one is chosen, and what that changes.

import { askAgain, askChanged, begin, isLatest } from "./searches.js";
import {
  call, isAsked, keepPlace, nameInList, NO_FILTERS, say, set, showControls, showGalleryNames, shownOf, state, unknownGallery,
} from "./state.js";
import { ofBrowser } from "./storage.js";

const MOST_RESULTS_AT_FIRST = 100;
const LAST = "ris:gallery"; // the one that was used last in this browser

/** Return the galleries, or null after showing the message why none is known. */
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
  const { gallery = unknownGallery(name, answer), examples = [] } = answer;
  if (!gallery.refused) keepLast(name);
  set({ gallery, drawn: shownOf(examples) });
  if (partOf || !isLatest(number)) return;
  if (isAsked() && !gallery.refused) askAgain();
  else keepPlace(false);
}

/** Return the name of the gallery that was used last in this browser; null where there was none. */
export const lastGallery = () => ofBrowser.get(LAST);
/** @param {string} name */
export const keepLast = (name) => ofBrowser.set(LAST, name);

/** @returns {Promise<import("../types.js").Facet[] | null>} null where there was no answer, which is said */
export async function readFacets() {
  const { facets, message } = await call("facets", { gallery: state.gallery?.name, where: state.filters.where });
  if (!facets) say(message);
  return facets || null;
}

/** @param {string} name */
export async function whyNoGallery(name) {
  return (await call("gallery", { gallery: name })).message;
}

// Read the list of galleries again, after one was made or changed; return why there is none.
export async function readGalleriesAgain() {
  const { galleries, photographs, message } = await call("open");
  if (galleries) set({ galleries, photographs });
  showGalleryNames();
  return message;
}

// Read the facts of the chosen gallery again, and other images of it as `examples`.
export async function readGalleryAgain({ examples = true } = {}) {
  if (!state.gallery) return;
  const { name } = state.gallery;
  const answer = await call("gallery", { gallery: name });
  if (state.gallery?.name !== name) return;
  const drawn = answer.examples && examples ? shownOf(answer.examples) : state.drawn;
  set({ gallery: answer.gallery || unknownGallery(name, answer), drawn });
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
  if (Number.isFinite(number) && number !== k) showControls(); // what was typed is not what is shown
  if (gallery && gallery !== nameInList()) chooseGallery(gallery);
  else if (exact !== before.exact || leave_out_same_file !== before.leave_out_same_file) {
    askChanged(() => {
      state.controls = { ...state.controls, exact: before.exact, leave_out_same_file: before.leave_out_same_file };
      showControls();
    });
  }
  else if (k !== before.k) {
    set({ shown: k });
    keepPlace(false);
  }
}

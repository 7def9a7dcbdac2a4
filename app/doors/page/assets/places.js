// The ways back: the address bar and its links, the browser's Back, and the strip of earlier
// queries. Starts the page.

import { addressOf, readAddress } from "./address.js";
import { presentPlace } from "./renamed.js";
import * as session from "./session.js";

/** @import { Gradio, Past, Server, Shown } from "../types.js" */

const { state } = session;
const MOST_PAST = 20;
const LIST_MILLISECONDS = 50;

function currentPlace() {
  const { original, edit, words, browsing, examples, controls, filters, gallery, beside } = state;
  return { original, edit, words, browsing, examples, controls, filters, gallery: gallery?.name, beside };
}

/**
 * Return what distinguishes one query from another. Copies of one photograph, or of the picture at
 * one address, are the same query.
 * @param {Shown} place
 */
export function keyOf({ edit, words, browsing, examples, gallery }) {
  const further = (examples || []).map((each) => [each.id, each.wish]);
  if (!edit) return JSON.stringify([gallery, ...(words ? [words] : []), ...(browsing ? [true] : []), ...further]);
  const { kind, path, photograph, url, gallery: from, id, box, turns, mirrored } = edit;
  return JSON.stringify([
    gallery, kind, photograph || url || path, from, id, box || null, turns || 0, Boolean(mirrored),
    further, ...(words ? [words] : []),
  ]);
}

export const currentKey = () => keyOf(currentPlace());

/**
 * Return the earlier places, newest first, with `place` among them: on top where it is new,
 * otherwise as it has become, with its filters.
 * @param {Past[]} past
 * @param {Shown} place
 * @param {boolean} isNew
 */
export function pastWith(past, place, isNew) {
  const entry = { place, key: keyOf(place) };
  if (!isNew) return past.map((each) => (each.key === entry.key ? entry : each));
  return [entry, ...past.filter(({ key }) => key !== entry.key)].slice(0, MOST_PAST);
}

/** @param {{ isNew: boolean }} how */
function keep({ isNew }) {
  const place = currentPlace();
  const before = history.state?.place;
  session.set({ past: pastWith(state.past, place, isNew) });
  const another = isNew && before && (keyOf(before) !== keyOf(place) || (before.beside || "") !== place.beside);
  history[another ? "pushState" : "replaceState"]({ place }, "", addressOf(place));
}

/**
 * Show the earlier query of this key again, as a new place.
 * @param {string} key
 */
export function goToPast(key) {
  const past = state.past.find((each) => each.key === key);
  if (!past) return;
  const stays = past.place.gallery === state.gallery?.name; // and what is beside it, too
  goTo(stays ? { ...past.place, beside: state.beside } : past.place, { isNew: true });
}

/**
 * Show a place again; it becomes a new one where it was chosen on the page.
 * @param {Shown} place
 */
async function goTo(place, { isNew = false } = {}) {
  const { gallery, original, edit, words = "", browsing = false, examples, controls, filters, beside = "" } = presentPlace(place, state.galleries);
  const number = session.begin();
  if (gallery && gallery !== state.gallery?.name) await session.chooseGallery(gallery, { partOf: number });
  if (!session.isLatest(number)) return;
  session.set({
    original, edit, words, browsing, examples, beside, ...(beside !== state.beside && { other: null }), busy: false, ...(!edit && { results: null }),
    // The browser may still hold a place of an earlier version of this page, with other names.
    controls: { ...state.controls, ...controls }, filters: { ...session.NO_FILTERS, ...filters },
  });
  session.showControls();
  session.askAgain({ keep: isNew });
}

/**
 * Read the galleries and choose one; searches that begin before that wait for it.
 * @param {number} number
 */
async function open(number) {
  const galleries = await session.readGalleries();
  if (!galleries) return null;
  const link = readAddress(location.search);
  const usable = galleries.filter(({ refused }) => !refused);
  const known = session.isKnown(link.gallery);
  const wasLast = session.lastGallery() || "";
  const isUsable = wasLast.split(",").every((each) => usable.some(({ name }) => name === each));
  const first = (isUsable && wasLast) || (usable[0] || galleries[0]).name;
  await session.chooseGallery((known && link.gallery) || first, { partOf: number });
  session.set({ beside: session.isKnown(link.beside) ? link.beside : "", controls: link.controls, filters: link.filters, shown: link.controls.k });
  session.showControls();
  return { ...link, known };
}

/** @param {Awaited<ReturnType<typeof open>>} link @param {number} number */
async function follow(link, number) {
  if (!link || !state.gallery || !session.isLatest(number)) return; // a picture came before the page was open
  session.set({ busy: false });
  const { place } = history.state || {};
  const gallery = state.gallery.name;
  if (place) goTo(place); // the page was reloaded, or come back to from another site
  else if (link.gallery && !link.known) {
    session.keepPlace(false); // a reload does not report it again
    session.say(await session.whyNoGallery(link.gallery));
  } else if (link.query || link.words || link.browsing || link.examples.length) {
    const examples = link.examples.map(({ id, wish }) => ({
      id, wish, gallery, name: `image ${id}`,
      thumbnail_url: `galleries/${encodeURIComponent(gallery)}/images/${encodeURIComponent(id)}/thumbnail`,
    }));
    await session.ask(link.query && { gallery, ...link.query }, { examples, words: link.words });
  } else session.keepPlace(false);
}

/**
 * Gradio's open list breaks where names are taken off it: it draws those that were there before.
 * @param {() => void} fill
 */
function onceListIsClosed(fill) {
  if (document.querySelector("#gallery [role=listbox]")) setTimeout(() => onceListIsClosed(fill), LIST_MILLISECONDS);
  else fill();
}

/**
 * The events of Gradio's parts, in layout.py, wait for it.
 * @param {Gradio & { server: Server }} part
 */
export function start({ server, ...gradio }) {
  session.connect(server, { ...gradio, galleryNames: () => onceListIsClosed(gradio.galleryNames) });
  session.onPlace(keep);
  const { controlsChanged, search, drawExamples, controlValues } = session;
  window.startedWith({ controlsChanged, search, drawExamples, controlValues });
  window.addEventListener("popstate", ({ state: kept }) => {
    if (kept?.place) goTo(kept.place);
  });
  const number = session.begin();
  const opening = open(number);
  session.waitFor(opening);
  opening.then((link) => follow(link, number));
}

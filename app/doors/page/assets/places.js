// The ways back: the address bar and its links, the browser's Back, and the strip of earlier
// queries. Starts the page.

import { addressOf, readAddress } from "./address.js";
import * as session from "./session.js";

const { state } = session;
const MOST_PAST = 20;

function placeOf() {
  const { original, edit, examples, controls, filters, gallery } = state;
  return { original, edit, examples, controls, filters, gallery: gallery?.name };
}

// What tells one query from another. A photograph or an address is the same whichever copy is kept.
export function keyOf({ edit, examples, gallery }) {
  if (!edit) return JSON.stringify([gallery]);
  const { kind, path, photograph, url, gallery: from, id, box, turns, mirrored } = edit;
  return JSON.stringify([
    gallery, kind, photograph || url || path, from, id, box || null, turns || 0, Boolean(mirrored),
    examples.map((each) => [each.id, each.weight]),
  ]);
}

export const currentKey = () => keyOf(placeOf());

function keep({ isNew }) {
  const place = placeOf();
  const key = keyOf(place);
  if (isNew) {
    const past = [{ place, key }, ...state.past.filter((each) => each.key !== key)];
    session.set({ past: past.slice(0, MOST_PAST) });
  }
  const another = isNew && history.state?.place && keyOf(history.state.place) !== key;
  history[another ? "pushState" : "replaceState"]({ place }, "", addressOf(place));
}

// Show a place again; it is kept as a new one where a visitor went there from the page.
export async function goTo({ gallery, original, edit, examples, controls, filters }, { isNew = false } = {}) {
  const number = session.begin();
  if (gallery && gallery !== state.gallery?.name) await session.chooseGallery(gallery, { partOf: number });
  if (!session.isLatest(number)) return;
  session.set({ original, edit, examples, controls, filters, busy: false, ...(!edit && { results: null }) });
  session.showControls();
  if (edit) session.askAgain({ keep: isNew });
}

// The galleries are asked for and one is chosen; what is asked before that waits for it.
async function open(number) {
  const galleries = await session.readGalleries();
  if (!galleries) return null;
  const link = readAddress(location.search);
  const usable = galleries.filter(({ refused }) => !refused);
  const known = galleries.some(({ name }) => name === link.gallery);
  await session.chooseGallery(known ? link.gallery : (usable[0] || galleries[0]).name, { partOf: number });
  session.set({ controls: link.controls, filters: link.filters, shown: link.controls.k });
  session.showControls();
  return { ...link, known };
}

async function follow(link, number) {
  if (!link || !session.isLatest(number)) return; // a picture was brought before the page was open
  session.set({ busy: false });
  const { place } = history.state || {};
  const gallery = state.gallery.name;
  if (place) goTo(place); // loaded again, or come back to from elsewhere
  else if (link.gallery && !link.known) {
    session.say(await session.whyNoGallery(link.gallery));
  } else if (link.query) {
    const examples = link.examples.map(({ id, weight }) => ({
      id, weight, gallery, name: `image ${id}`,
      thumbnail: `galleries/${encodeURIComponent(gallery)}/images/${encodeURIComponent(id)}/thumbnail`,
    }));
    await session.ask({ gallery, ...link.query }, { examples });
  } else session.keepPlace(false);
}

// Gradio's parts are reached by the events that layout.py gives them.
export function start({ server, ...gradio }) {
  session.connect(server, gradio);
  session.onPlace(keep);
  const { controlsChanged, search, drawExamples, controlValues } = session;
  window.session = { controlsChanged, search, drawExamples, controlValues };
  window.addEventListener("popstate", ({ state: kept }) => {
    if (kept?.place) goTo(kept.place);
  });
  const number = session.begin();
  const opening = open(number);
  session.waitFor(opening);
  opening.then((link) => follow(link, number));
}

// A gallery that was changed → the page's state: what is shown follows, without a reload.

import { isUnanswered } from "./call.js";
import { keyOf } from "./places.js";
import { remember, renamedImage, renamedPlace } from "./renamed.js";
import { dropSelected } from "./selection.js";
import * as session from "./session.js";

/** @import { Id, Reference } from "../types.js" */
/** @import { Named } from "./renamed.js" */

const { state } = session;

export const galleriesChanged = () => session.readGalleriesAgain();

/**
 * Other facts than before: read those of the list and of the chosen gallery again.
 * @param {string} name
 */
export async function factsChanged(name, { examples = false } = {}) {
  await galleriesChanged();
  if (state.gallery?.name.split(",").includes(name)) await session.readGalleryAgain({ examples });
}

/**
 * Other images than before: draw other examples, and search again. A query that was itself removed
 * is reported, and nothing of it stays.
 * @param {string} name
 */
export async function contentChanged(name) {
  await factsChanged(name, { examples: true });
  if (state.gallery?.name !== name || !session.isAsked() || state.gallery.refused) return;
  if (!state.edit) {
    session.askAgain({ keep: false });
    return;
  }
  const found = await session.ask(state.edit, { isEdit: true, keep: false });
  if (found || state.busy || isUnanswered(state.message)) return;
  session.set({ results: null, ...(state.edit.gallery === name && { original: null, edit: null }) });
}

/**
 * Images that were taken out vanish from results, examples and the row of example queries.
 * @param {string} gallery
 * @param {Id[]} ids
 */
export async function imagesRemoved(gallery, ids) {
  /** @param {{ gallery?: string, id?: Id }} each */
  const stays = (each) => each.gallery !== gallery || !ids.some((id) => id === each.id);
  const { results, drawn, examples, past } = state;
  dropSelected(gallery, ids);
  session.set({
    results: results && { ...results, hits: results.hits.filter(stays) },
    drawn: drawn.filter(stays), examples: examples.filter(stays),
    past: past.filter(({ place }) => !place.edit || stays(place.edit)),
  });
  await factsChanged(gallery);
}

/**
 * The chosen gallery, the query, the address bar and the ways back go on under the new name.
 * @param {string} from
 * @param {string} to
 */
export async function renamed(from, to) {
  remember(from, to);
  /** @template {Named | null} Image @param {Image} each */
  const image = (each) => renamedImage(each, from, to);
  const { galleries, gallery, original, edit, examples, drawn, results, past } = state;
  const here = gallery?.name === from;
  session.set({
    galleries: galleries.map((each) => (each.name === from ? { ...each, name: to } : each)),
    gallery: here ? { ...gallery, name: to } : gallery,
    original: image(original), edit: image(edit), examples: examples.map(image), drawn: drawn.map(image),
    results: results && {
      ...results, gallery: results.gallery === from ? to : results.gallery, hits: results.hits.map(image),
    },
    past: past.map(({ place }) => {
      const moved = renamedPlace(place, from, to);
      return { place: moved, key: keyOf(moved) };
    }),
  });
  if (session.lastGallery() === from) session.keepLast(to);
  if (here) session.keepPlace(false);
  await factsChanged(to);
}

/**
 * Another gallery is chosen, and searched with the query unless that was an image of the one deleted.
 * @param {string} name
 */
export async function deleted(name) {
  /** @param {{ gallery?: string } | null} each */
  const isOfIt = (each) => each?.gallery === name;
  const gone = isOfIt(state.original) || isOfIt(state.edit);
  session.set({
    galleries: state.galleries.filter((each) => each.name !== name),
    past: state.past.filter(({ place }) => !isOfIt(place) && !isOfIt(place.edit)),
    ...(gone && { original: null, edit: null }),
    ...(state.gallery?.name === name && { gallery: null, results: null, examples: [], drawn: [] }),
  });
  const message = await galleriesChanged();
  if (state.gallery) return;
  const next = state.galleries.find(({ refused }) => !refused) || state.galleries[0];
  if (next) await session.searchIn(next.name);
  else session.say(message);
}

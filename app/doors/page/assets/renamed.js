// Places of the page that name a gallery → the same ones under its new name.

/** @import { Gallery, Shown } from "../types.js" */
/** @typedef {{ gallery?: string } & { [Name in typeof ADDRESSES[number]]?: string }} Named */

const ADDRESSES = /** @type {const} */ (["src", "image_url", "thumbnail_url", "shown_url"]);
/** @type {Map<string, string>} */
const names = new Map(); // an old name → the present one

/**
 * @template {Named | null} Image
 * @param {Image} image
 * @param {string} from
 * @param {string} to
 */
export function renamedImage(image, from, to) {
  if (image?.gallery !== from) return image;
  const moved = { ...image, gallery: to };
  for (const key of ADDRESSES) {
    const address = image[key]?.replace(/^galleries\/[^/]+\//, `galleries/${encodeURIComponent(to)}/`);
    if (address) Object.assign(moved, { [key]: address });
  }
  return moved;
}

/**
 * Of several, with commas between their names, one may be meant.
 * @param {string | undefined} name
 * @param {string} from
 * @param {string} to
 */
const renamedName = (name, from, to) => name?.split(",").map((each) => (each === from ? to : each)).join();

/** @param {Shown} place @param {string} from @param {string} to @returns {Shown} */
export function renamedPlace(place, from, to) {
  return {
    ...place,
    gallery: renamedName(place.gallery, from, to),
    beside: renamedName(place.beside, from, to),
    original: renamedImage(place.original, from, to),
    edit: renamedImage(place.edit, from, to),
    examples: (place.examples || []).map((each) => renamedImage(each, from, to)),
  };
}

/** @param {string} from @param {string} to */
export function remember(from, to) {
  for (const [old, now] of names) if (now === from) names.set(old, to);
  names.set(from, to);
  names.delete(to);
}

/**
 * Return a place as it is called now. A name that a gallery has again is that gallery's.
 * @param {Shown} place
 * @param {Gallery[]} galleries
 */
export const presentPlace = (place, galleries) => [...names]
  .filter(([old]) => !galleries.some(({ name }) => name === old))
  .reduce((each, [old, now]) => renamedPlace(each, old, now), place);

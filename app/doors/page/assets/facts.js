// The chosen gallery's facts: one line, and all of them on request.

import { findIn, make, panel } from "./make.js";
import { onChange, state } from "./session.js";
import { detailsOf, remarksOf, sightOf } from "./terms.js";

/** @import { ChosenGallery, Gallery, Part } from "../types.js" */

/** @param {Part} part */
export function start({ element }) {
  const place = findIn(element, ".gallery-facts");
  let shown = "";
  onChange(() => {
    const { gallery } = state;
    const wanted = JSON.stringify(gallery);
    if (wanted === shown) return;
    shown = wanted;
    place.replaceChildren(...(isKnown(gallery) ? [sight(gallery), details(gallery)] : []));
    if (gallery?.refused) place.append(make("p", { class: "message", role: "alert" }, gallery.refused));
  });
}

/** @param {ChosenGallery | null} gallery @returns {gallery is Gallery} */
const isKnown = (gallery) => gallery !== null && !gallery.refused && gallery.images !== undefined;

/** @param {Gallery} gallery */
const sight = (gallery) => make(
  "p", {}, gallery.title && make("strong", { class: "title" }, gallery.title), sightOf(gallery),
);

/** @param {Gallery} gallery */
function details(gallery) {
  const remarks = remarksOf(gallery).map((remark) => make("p", { class: "remark" }, remark));
  const count = remarks.length ? `, ${remarks.length} remark${remarks.length === 1 ? "" : "s"}` : "";
  return panel(`Details${count}`, ...remarks, detailsOf(gallery));
}

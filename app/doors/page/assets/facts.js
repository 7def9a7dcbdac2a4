// The chosen gallery's facts: one line, and all of them on request.

import { make, panel } from "./make.js";
import { onChange, state } from "./session.js";
import { detailsOf, remarksOf, sightOf } from "./terms.js";

export function start({ element }) {
  const place = element.querySelector(".gallery-facts");
  let shown = "";
  onChange(() => {
    const { gallery } = state;
    const wanted = JSON.stringify(gallery);
    if (wanted === shown) return;
    shown = wanted;
    const known = gallery && !gallery.refused && gallery.images !== undefined;
    place.replaceChildren(...(known ? [sight(gallery), details(gallery)] : []));
    if (gallery?.refused) place.append(make("p", { class: "message", role: "alert" }, gallery.refused));
  });
}

const sight = (gallery) => make(
  "p", {}, gallery.title && make("strong", { class: "title" }, gallery.title), sightOf(gallery),
);

function details(gallery) {
  const remarks = remarksOf(gallery).map((remark) => make("p", { class: "remark" }, remark));
  const count = remarks.length ? `, ${remarks.length} remark${remarks.length === 1 ? "" : "s"}` : "";
  return panel(`Details${count}`, ...remarks, detailsOf(gallery));
}

// The row of example queries: photographs that come with the page, then images of the gallery.

import { findIn, make } from "./make.js";
import * as session from "./session.js";

/** @import { Part, Reference } from "../types.js" */

/** @param {Part} part */
export function start({ element }) {
  const row = findIn(element, ".examples");
  let shown = "";
  session.onChange(() => {
    const { drawn, gallery } = session.state;
    const photographs = gallery?.holds === "text" ? [] : session.state.photographs;
    const wanted = JSON.stringify([photographs, drawn]);
    if (wanted === shown) return;
    shown = wanted;
    row.replaceChildren(
      ...photographs.map((name) => example({ kind: "photograph", name }, `examples/${name}.jpg`, name)),
      ...drawn.map((image) => example(
        { kind: "image", gallery: image.gallery, id: image.id }, image.thumbnail_url,
        session.isText(image) ? `${image.metadata.text}` : session.nameOf(image), session.isText(image),
      )),
    );
  });
}

/** @param {Reference} query @param {string} source @param {string} name */
function example(query, source, name, isText = false) {
  return make(
    "button",
    {
      type: "button", class: "example", title: name, "data-image": JSON.stringify(query),
      "data-photograph": query.kind === "photograph" ? name : null, "data-id": query.id,
      onclick: () => session.ask(query),
    },
    isText ? make("span", { class: "said" }, name) : make("img", { src: source, alt: name, width: 72, height: 72 }),
  );
}

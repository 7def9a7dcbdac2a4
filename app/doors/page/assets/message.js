// The message beside the query, when something went wrong; announced to screen readers.

import { button, findIn, make } from "./make.js";
import { dismiss, onChange, state } from "./session.js";

/** @param {import("../types.js").Part} part */
export function start({ element }) {
  const place = findIn(element, ".place");
  let shown = "";
  onChange(() => {
    if (state.message === shown) return;
    shown = state.message;
    place.replaceChildren(...(shown ? [
      make("p", { class: "message" }, shown), button("✕", dismiss, { "aria-label": "Close the message" }),
    ] : []));
  });
}

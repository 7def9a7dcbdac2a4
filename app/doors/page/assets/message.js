// The message beside the query, when something went wrong; announced to screen readers.

import { button, make } from "./make.js";
import { dismiss, onChange, state } from "./session.js";

export function start({ element }) {
  const place = element.querySelector(".place");
  let shown = "";
  onChange(() => {
    if (state.message === shown) return;
    shown = state.message;
    place.replaceChildren(...(shown ? [
      make("p", { class: "message" }, shown), button("✕", dismiss, { "aria-label": "Close the message" }),
    ] : []));
  });
}

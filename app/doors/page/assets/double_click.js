// A double click → a single one, where the first click changed what lies under the pointer.

import { closest } from "./make.js";

/** @param {Event} event */
const nameOf = (event) => {
  const control = closest(event, "button, a, summary, label, dialog") || closest(event, "*");
  /** @type {HTMLElement | null | undefined} */
  const row = control?.closest("[data-id]");
  return [row?.dataset.key || row?.dataset.id, control?.getAttribute("aria-label") || control?.textContent].join(" ");
};

let first = "";
document.addEventListener("click", (event) => {
  const name = nameOf(event);
  if (event.detail <= 1) first = name;
  else if (name !== first) {
    event.preventDefault();
    event.stopPropagation();
  }
}, true);

// What a visitor has opened: the editor, the options. Kept for the tab; styles see it on the page.

import { ofTab } from "./storage.js";

const KEY = "ris:panels";
const opened = new Set((ofTab.get(KEY) || "").split(" ").filter(Boolean));
const changes = new EventTarget();

/** @param {string} name */
export const isOpen = (name) => opened.has(name);

/** @param {string} name */
export function open(name, wanted = true) {
  if (wanted) opened.add(name);
  else opened.delete(name);
  ofTab.set(KEY, [...opened].join(" "));
  show();
  changes.dispatchEvent(new Event("change"));
}

/** @param {string} name */
export const toggle = (name) => open(name, !isOpen(name));

/** @param {() => void} tell */
export function onPanels(tell) {
  changes.addEventListener("change", tell);
  tell();
}

function show() {
  document.documentElement.dataset.panels = [...opened].join(" ");
}

show();

const overlaid = () => /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("details.panel[open]"));

// What lies over the page is put away by Esc and by a click beside it; Esc closes the editor, too.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const [panel] = overlaid();
  if (panel) {
    panel.open = false;
    panel.querySelector("summary")?.focus();
  } else if (event.target instanceof Element && event.target.closest("#windows")) {
    open("editor", false);
    /** @type {HTMLElement | null} */ (document.querySelector("#thumb button"))?.focus();
  } else return;
  event.preventDefault();
});
document.addEventListener("pointerdown", ({ target }) => {
  for (const panel of overlaid()) if (target instanceof Node && !panel.contains(target)) panel.open = false;
});

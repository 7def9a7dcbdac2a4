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

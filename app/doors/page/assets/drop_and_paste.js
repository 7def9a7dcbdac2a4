// Files, pictures and addresses dropped or pasted anywhere on the page → searches.

import { filesOf, FOLDERS, leftOut, picturesAmong } from "./dropped.js";
import { closest } from "./make.js";
import * as session from "./session.js";

/** @typedef {(files: File[], folders?: number) => void} TakeAll */

/**
 * `take` gets pictures' files, and what is said of others that came with them. The whole page takes
 * drops, as the browser would leave it for a missed one.
 * @param {string} accepted
 * @param {(pictures: File[], others: string) => unknown} take
 */
export function takeFromAnywhere(accepted, take) {
  const root = document.documentElement;
  /** @type {TakeAll} */
  const takeAll = (files, folders) => {
    const pictures = picturesAmong(files, accepted);
    take(pictures, leftOut(files, pictures, folders));
  };
  /** @param {Event} event */
  const isOfForm = (event) => closest(event, "input[type=file]"); // the form for a new gallery
  /** @type {HTMLElement | null} */
  let own = null; // an example or a result of this page, being dragged
  document.addEventListener("dragstart", (event) => {
    own = closest(event, "[data-image]");
  });
  document.addEventListener("dragend", () => { own = null; });
  document.addEventListener("dragover", (event) => {
    if (isOfForm(event)) return;
    event.preventDefault();
    root.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) root.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    if (isOfForm(event)) return;
    event.preventDefault();
    root.classList.remove("dragging");
    drop(event, own, takeAll);
  });
  document.addEventListener("paste", (event) => paste(event, takeAll));
}

/** @param {DragEvent} event @param {HTMLElement | null} own @param {TakeAll} takeAll */
function drop(event, own, takeAll) {
  const { dataTransfer } = event;
  if (own) {
    if (!own.contains(/** @type {Node} */ (event.target))) session.ask(JSON.parse(`${own.dataset.image}`));
    return;
  }
  if (!dataTransfer) return;
  const url = dataTransfer.getData("text/uri-list");
  const { files, folders } = filesOf(dataTransfer);
  if (files.length) takeAll(files, folders);
  else if (folders) session.say(FOLDERS);
  else if (url) session.ask({ kind: "url", url });
}

/** @param {ClipboardEvent} event @param {TakeAll} takeAll */
function paste(event, takeAll) {
  const files = [...event.clipboardData?.files || []];
  if (files.length) {
    event.preventDefault();
    takeAll(files);
  } else if (!closest(event, "input, textarea")) {
    const text = event.clipboardData?.getData("text/plain").trim() ?? "";
    if (/^https?:\/\//.test(text)) session.ask({ kind: "url", url: text });
  }
}

// The kinds of near duplicates that are shown; images chosen by their boxes → the clipboard, files.

import { COLUMNS, rowsOf } from "./duplicate_lists.js";
import { save, tableOf } from "./export.js";
import { wholePath } from "./image_facts.js";
import { button, make } from "./make.js";
import { state } from "./session.js";

/** @import { Group } from "../types.js" */
/** @import { Row } from "./duplicate_lists.js" */

/**
 * Return the tools of a list of groups.
 * @param {object} list
 * @param {string} list.gallery
 * @param {() => Group[]} list.groups returns those that are listed
 * @param {Set<string>} list.chosen ids
 * @param {() => void} list.changed is called when this changed them
 * @param {() => void} list.again is called when other kinds are to be shown
 */
export function makeTools({ gallery, groups, chosen, changed, again }) {
  const kinds = makeKinds(again);
  const count = make("span", { role: "status" });
  const none = button("Choose none", () => {
    chosen.clear();
    changed();
  });
  const all = button("Choose all but the best", () => {
    for (const { others } of groups()) for (const { id } of others) chosen.add(`${id}`);
    changed();
  });
  const rows = () => rowsOf(groups(), chosen);
  const element = make(
    "div", { class: "tools" }, kinds.element,
    make("div", { class: "line" }, all, none, count),
    make("div", { class: "line" },
      copyPaths(rows, gallery),
      button("Save CSV", () => saved("csv", "text/csv", tableOf([COLUMNS, ...rows().map(Object.values)]))),
      button("Save JSON", () => saved("json", "application/json", jsonOf(gallery, rows())))),
  );

  function show() {
    count.textContent = chosen.size ? `${chosen.size.toLocaleString("en")} chosen` : "None chosen: all are copied and saved";
    none.disabled = !chosen.size;
  }

  return { element, kinds: kinds.chosen, offer: kinds.offer, show };
}

/** @param {() => void} again */
function makeKinds(again) {
  const element = make("fieldset", {}, make("legend", {}, "Show"));
  const boxes = () => [...element.querySelectorAll("input")];
  /** @param {HTMLInputElement[]} each */
  const names = (each) => each.filter(({ checked }) => checked).map(({ value }) => value);

  /** @param {Event} event */
  function changed({ target }) {
    if (names(boxes()).length) again();
    else Object.assign(target || {}, { checked: true }); // one at least
  }

  /** @param {string[]} kinds */
  function offer(kinds) {
    if (boxes().length) return;
    element.append(...kinds.map((value) => make(
      "label", {}, make("input", { type: "checkbox", value, checked: true, onchange: changed }), value,
    )));
  }

  // All of them are [].
  const chosen = () => (boxes().every(({ checked }) => checked) ? [] : names(boxes()));
  return { element, offer, chosen };
}

/**
 * Return the folders of a gallery of this name.
 * @param {string} gallery
 * @returns {string[]}
 */
export const sourcesOf = (gallery) => state.galleries.find(({ name }) => name === gallery)?.sources || [];

/** @param {() => Row[]} rows @param {string} gallery */
function copyPaths(rows, gallery) {
  return button("Copy paths", async ({ target }) => {
    const paths = rows().map((row) => `${wholePath(row, sourcesOf(gallery))}\n`).join("");
    try {
      await navigator.clipboard.writeText(paths);
      target.textContent = "Copied";
      setTimeout(() => { target.textContent = "Copy paths"; }, 3000);
    } catch {
      window.prompt("The paths to copy:", paths);
    }
  });
}

/** @type {(suffix: string, type: string, text: string) => void} */
const saved = (suffix, type, text) => save(`duplicates.${suffix}`, new Blob([text], { type }));
/** @param {string} gallery @param {Row[]} images */
const jsonOf = (gallery, images) => `${JSON.stringify({ gallery, images }, null, 1)}\n`;

// The galleries' facts → a list of rows, which follow what changes without losing the keyboard's place.

import { makeRow } from "./gallery_row.js";
import { make } from "./make.js";
import { state } from "./session.js";

/** @import { Acts, Row } from "./gallery_row.js" */

/**
 * Return the list: its `element`, `show` for the galleries of the page's state, `check` to look for
 * changes in the folders of one or of all, `setBusy` while a job is at work, and `focus` on one.
 * @param {Omit<Acts, "renamed" | "deleted">} acts what its rows do
 * @param {{isOpen: () => boolean, focusWhole: () => void}} panel
 */
export function makeList(acts, { isOpen, focusWhole }) {
  const element = make("ul", { class: "all-galleries" });
  /** @type {Map<string, Row>} */
  const rows = new Map(); // a gallery's name → its row
  let isBusy = false;
  let round = 0; // of looking for changes: the last one counts
  /** @type {Acts} */
  const ofRows = {
    ...acts,
    // Its row stays, with the keyboard in it, before the list is shown anew.
    renamed: (before, now) => {
      rows.set(now, rowOf(before));
      rows.delete(before);
    },
    // Return what gives the keyboard a place after the gallery has gone.
    deleted: (name) => {
      const names = state.galleries.map((each) => each.name);
      const next = names[names.indexOf(name) + 1];
      return () => { if (!rows.get(next)?.focus()) focusWhole(); };
    },
  };

  async function checkAll() {
    round += 1;
    const mine = round;
    for (const row of [...rows.values()]) {
      if (mine !== round || !isOpen()) return;
      await row.check(); // one after another: folders may be large
    }
  }

  /** @param {string} name */
  function rowOf(name) {
    const row = rows.get(name) || makeRow(ofRows);
    rows.set(name, row);
    return row;
  }

  function show() {
    const { galleries, gallery } = state;
    const names = galleries.map(({ name }) => name);
    for (const name of rows.keys()) if (!names.includes(name)) rows.delete(name);
    for (const each of galleries) {
      rowOf(each.name).show(each, each.name === gallery?.name);
      rowOf(each.name).setBusy(isBusy);
    }
    arrange(element, names.map((name) => rowOf(name).element));
  }

  return {
    element, show, checkAll,
    /** @param {string} name */
    check: (name) => rows.get(name)?.check(),
    /** @param {string} name */
    focus: (name) => Boolean(rows.get(name)?.focus()),
    /** @param {boolean} now */
    setBusy: (now) => {
      isBusy = now;
      for (const row of rows.values()) row.setBusy(now);
    },
  };
}

/**
 * Put rows in their order; those that stay in place keep the keyboard.
 * @param {HTMLElement} list
 * @param {Element[]} wanted
 */
function arrange(list, wanted) {
  for (const each of [...list.children]) if (!wanted.includes(each)) each.remove();
  wanted.forEach((each, at) => {
    if (list.children[at] !== each) list.insertBefore(each, list.children[at] || null);
  });
}

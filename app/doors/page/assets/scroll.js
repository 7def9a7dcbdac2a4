// Where the page scrolls to by itself, so that nothing lies under what sticks to the window.

import { findIn } from "./make.js";
import { onChange } from "./session.js";

const root = document.documentElement;
const FAR_DOWN = 0.6; // of the window

/** @type {HTMLElement | null} */
let bar = null; // it sticks to the top of the window

// Gradio may lay it out later than this is read.
onChange(() => {
  if (bar) return;
  bar = document.querySelector("#bar");
  if (bar) new ResizeObserver(measure).observe(bar);
});

function measure() {
  if (bar) root.style.setProperty("--bar-height", `${Math.ceil(bar.getBoundingClientRect().height)}px`);
}

/** @param {"Top" | "Bottom"} side */
const padding = (side) => parseFloat(getComputedStyle(root)[/** @type {const} */ (`scrollPadding${side}`)]) || 0;

/**
 * Bring the beginning of new results into view, where it is above the window or far down in it.
 * @param {HTMLElement} place all that belongs to them
 * @param {HTMLElement} verdict the sentence over them, from which they are shown in a low window
 * @param {{isNew: boolean, isEdited: boolean}} query one that is being edited stays in view
 */
export function goToResults(place, verdict, { isNew, isEdited }) {
  measure(); // what is in it has just changed, too
  const { top } = place.getBoundingClientRect();
  const isAbove = isNew && top < padding("Top") - 1;
  const isBelow = !isEdited && top > FAR_DOWN * window.innerHeight;
  if (!isAbove && !isBelow) return;
  const card = place.querySelector(".hit");
  for (const from of [place, verdict]) {
    from.scrollIntoView({ behavior: isAbove ? "instant" : "auto" }); // what lay between is gone
    if (!card || card.getBoundingClientRect().bottom <= window.innerHeight - padding("Bottom")) return;
  }
}

/**
 * Bring a whole card into view, and no further; the keyboard goes on there.
 * @param {HTMLElement} card
 */
export function goToCard(card) {
  findIn(card, ".open").focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

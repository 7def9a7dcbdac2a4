// Results → a grid of cards: one Tab stop, arrow keys from card to card, and gestures that select.
// Keys: arrows, Home and End move; Enter opens; Space selects, Shift with an arrow up to there,
// Ctrl+A all. Tab goes on to what can be done with the card.

import { makeCard } from "./card.js";
import { shownHits } from "./filters.js";
import { allIn, closest, findIn, focusedIn, make } from "./make.js";
import { extend, isSelected, onSelection, selectAll, selectedCount, toggle } from "./selection.js";
import { imageKey } from "./session.js";
import { placeFrom } from "./walk.js";

/** @import { Hit } from "../types.js" */

const LONG_PRESS = 500; // milliseconds
const STILL = 10; // pixels that a finger at rest may move
/** @type {WeakMap<Element, Hit>} */
const hits = new WeakMap(); // of the cards
/** @type {HTMLElement | null} */
let grid = null; // the one that is shown

/** @param {Element} card */
const hitOf = (card) => /** @type {Hit} */ (hits.get(card));

/** Return a new, empty grid. */
export function makeGrid() {
  const made = make("ol", {
    class: "hits", "aria-label": "Results", tabindex: "-1", onkeydown: onKey,
    onkeyup: (event) => { if (isSpace(event)) event.preventDefault(); }, // nor does it click
    onfocusin: (event) => makeCurrent(closest(event, ".hit")),
    onmousedown: (event) => { if (event.shiftKey) event.preventDefault(); }, // it would select text
  });
  made.addEventListener("click", onClick, true);
  pressedLong(made);
  grid = made;
  return made;
}

/**
 * Show hits in a grid: cards that are there stay, and with them the keyboard and the place on the page.
 * @param {HTMLElement} place the grid
 * @param {Hit[]} visible
 * @returns {HTMLElement | undefined} the first card that was not there before
 */
export function showCards(place, visible) {
  const known = new Map(allIn(place, ":scope > *").map((each) => [each.dataset.key, each]));
  const focused = focusedIn(place);
  const cards = visible.map((hit) => known.get(imageKey(hit)) || cardOf(hit));
  const wanted = new Set(cards);
  for (const card of known.values()) if (!wanted.has(card)) card.remove();
  let next = place.firstElementChild;
  for (const card of cards) {
    if (card === next) next = next.nextElementSibling;
    else place.insertBefore(card, next);
  }
  if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
  if (!place.querySelector("[data-current]")) makeCurrent(cards[0]);
  return cards.find((card) => !known.has(card.dataset.key));
}

/** @param {Hit} hit */
function cardOf(hit) {
  const card = makeCard(hit);
  hits.set(card, hit);
  showSelected(card);
  setTabStops(card, false);
  return card;
}

// --- one Tab stop ------------------------------------------------------------------------------

/**
 * What can be done with a card follows it in the order of Tab while it is the current one.
 * @param {Element | null} [card]
 */
function makeCurrent(card) {
  if (!card || card.hasAttribute("data-current")) return;
  for (const each of card.parentElement?.querySelectorAll("[data-current]") || []) setTabStops(each, false);
  setTabStops(card, true);
}

/** @param {Element} card @param {boolean} isCurrent */
function setTabStops(card, isCurrent) {
  card.toggleAttribute("data-current", isCurrent);
  for (const control of card.querySelectorAll("button")) control.tabIndex = isCurrent ? 0 : -1;
}

/** @param {KeyboardEvent} event */
const isSpace = ({ key, target }) => key === " " && target instanceof Element && target.matches(".open");

/** @param {KeyboardEvent} event */
function onKey(event) {
  const card = closest(event, ".hit");
  const { key, shiftKey } = event;
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "a" && !shiftKey) selectAll(shownHits());
  else if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  else if (isSpace(event)) toggle(hitOf(card));
  else {
    const to = cardFrom(card, key);
    if (!to) return;
    /** @param {Element} each */
    const buttons = (each) => [...each.querySelectorAll("button")];
    const same = shiftKey ? 0 : buttons(card).findIndex((each) => focusedIn(each));
    (buttons(to)[same] || findIn(to, ".open")).focus();
    if (shiftKey) extend(shownHits(), hitOf(to), hitOf(card));
  }
  event.preventDefault();
}

/**
 * Return the card that a key leads to, as the cards lie on screen.
 * @param {Element} card
 * @param {string} key
 * @returns {Element | undefined}
 */
function cardFrom(card, key) {
  const cards = [...card.parentElement?.children || []];
  const at = cards.indexOf(card);
  const { top } = cards[0].getBoundingClientRect();
  const found = cards.findIndex((each) => each.getBoundingClientRect().top !== top);
  return cards[placeFrom(at, key, cards.length, found < 0 ? cards.length : found) ?? -1];
}

// --- selecting ---------------------------------------------------------------------------------

onSelection(() => {
  document.documentElement.toggleAttribute("data-selecting", selectedCount() > 0);
  for (const card of grid?.children || []) showSelected(card);
  if (!selectedCount()) hold(null);
});

/** @param {Element} card */
function showSelected(card) {
  const is = isSelected(hitOf(card));
  card.classList.toggle("selected", is);
  findIn(card, ".check").setAttribute("aria-pressed", `${is}`);
}

let pointer = ""; // what touched the grid last: "mouse", "touch" …
let isHeld = false; // whether this touch has been a long one: its click is none

/** @param {MouseEvent} event */
function onClick(event) {
  const control = closest(event, ".open, .check");
  const card = control?.closest(".hit");
  if (!control || !card) return;
  const hit = hitOf(card);
  const isOpening = control.matches(".open");
  const taps = isOpening && pointer === "touch" && event.detail > 0 && selectedCount() > 0;
  if (isHeld) isHeld = false;
  else if (event.shiftKey) extend(shownHits(), hit);
  else if (isOpening && (taps || event.ctrlKey || event.metaKey)) toggle(hit);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/**
 * A long press begins to select, and shows what can be done with the card.
 * @param {HTMLElement} place
 */
function pressedLong(place) {
  let timer = 0;
  /** @type {{ card: Element, x: number, y: number }} */
  let from; // where it was put down

  const cancel = () => {
    clearTimeout(timer);
    timer = 0;
  };

  function begin() {
    cancel();
    isHeld = true;
    toggle(hitOf(from.card));
    hold(selectedCount() ? from.card : null);
    navigator.vibrate?.(10);
  }

  place.addEventListener("pointerdown", (event) => {
    const { pointerType, isPrimary, clientX: x, clientY: y } = event;
    cancel();
    pointer = pointerType;
    isHeld = false;
    const card = closest(event, ".open")?.closest(".hit");
    if (pointerType !== "touch" || !isPrimary || !card) return;
    from = { card, x, y };
    timer = setTimeout(begin, LONG_PRESS);
  });
  place.addEventListener("pointermove", ({ clientX, clientY }) => {
    if (timer && Math.hypot(clientX - from.x, clientY - from.y) > STILL) cancel();
  });
  for (const ends of ["pointerup", "pointercancel", "pointerleave"]) place.addEventListener(ends, cancel);
  place.addEventListener("contextmenu", (event) => {
    if (pointer !== "touch" || !closest(event, ".open")) return;
    event.preventDefault();
    if (timer) begin();
  });
}

/** @param {Element | null} card */
function hold(card) {
  for (const each of document.querySelectorAll(".hit[data-held]")) each.removeAttribute("data-held");
  if (!card) return;
  makeCurrent(card);
  card.toggleAttribute("data-held", true);
}

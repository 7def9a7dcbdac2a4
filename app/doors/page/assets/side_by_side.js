// Two galleries' results for one query, beside each other: what both have found, and what only one has.

import { comparable, fileOf, inBoth, isBeside, placeThere, putBeside, ranksOf } from "./beside.js";
import { openDetail } from "./detail.js";
import { filtered, inOrder } from "./filters.js";
import { allIn, button, findIn, focusedIn, make } from "./make.js";
import { makeOutline, isSource, regionInImage } from "./outlines.js";
import * as session from "./session.js";
import { kindOf, noticeOf } from "./summary.js";
import { showTiming } from "./timing.js";

/** @import { ChosenGallery, Hit, OtherResults, Results, State } from "../types.js" */
/** @typedef {ReturnType<typeof sideOf>} Side */
/** @typedef {ReturnType<typeof makeColumn>} Column */

const { state } = session;
const STEP = 50;

/** Return the choice of a gallery to compare with, beside the other ways on from results. */
export function makeCompareWith() {
  /** @type {HTMLSelectElement} */
  const choice = make("select", { "aria-label": "Compare with", onchange: () => putBeside(choice.value) });
  const place = make("label", { class: "compare-with", hidden: true }, choice);
  let shown = "";
  session.onChange(() => {
    const { gallery, galleries, controls, beside, browsing } = state;
    const isUsable = gallery && !browsing && session.isAsked();
    const options = isUsable ? comparable(galleries, gallery, controls.exact && beside !== gallery.name) : [];
    if (beside && !options.some(([name]) => name === beside)) options.push([beside, beside]);
    place.hidden = !isUsable || !options.length;
    const wanted = JSON.stringify([options, beside]);
    if (wanted === shown) return;
    shown = wanted;
    choice.replaceChildren(...[["", "Compare with…"], ...options].map(([value, words]) => (
      make("option", { value, selected: value === beside }, words)
    )));
  });
  return place;
}

/** Return the two columns, which are shown in the place of the results where there is a second gallery. */
export function makeSides() {
  const both = make("p", { class: "in-both", role: "status" });
  const only = button("", () => {
    putBeside("");
    findIn(document, ".compare-with select")?.focus();
  });
  const more = make("div", { class: "more" });
  const columns = [makeColumn(), makeColumn()];
  const place = make("div", { class: "sides", hidden: true });
  const content = [
    make("div", { class: "of-both" }, both, only), make("div", { class: "columns" }, columns.map(({ section }) => section)), more,
  ];
  session.onChange(() => {
    document.documentElement.toggleAttribute("data-beside", isBeside());
    place.hidden = !isBeside();
    if (place.hidden !== !place.hasChildNodes()) place.replaceChildren(...(place.hidden ? [] : content));
    if (place.hidden) return;
    const [first, second] = sidesOf(state);
    const sides = [first, second];
    const isWhole = !state.busy && sides.every(({ results, isAwaited }) => results && !isAwaited);
    show(both, isWhole ? inBoth(first.shown, second.shown) : "");
    show(only, `Only ${first.gallery.name.split(",").join(", ")}`);
    const ranks = sides.map(({ results }) => (isWhole && results ? ranksOf(results.hits) : null));
    for (const at of [0, 1]) showSide(columns[at], sides[at], ranks[1 - at], sides[1 - at]);
    const left = Math.max(...sides.map(({ hits }) => hits.length)) - state.shown;
    more.replaceChildren(...(left > 0 ? [button(`Show ${Math.min(STEP, left)} more`, () => session.set({ shown: state.shown + STEP }))] : []));
  });
  return place;
}

/**
 * Only where it has changed: it is announced then.
 * @param {HTMLElement} place
 * @param {string} words
 */
function show(place, words) {
  if (place.textContent !== words) place.textContent = words;
}

/**
 * Return what stands on the two sides.
 * @param {State} shown
 */
function sidesOf({ gallery: chosen, galleries, beside, results, other, whyNone, busy, isOtherAwaited, controls }) {
  const gallery = chosen || session.unknownGallery("", {});
  const isSame = beside === gallery.name;
  const second = isSame ? gallery : galleries.find(({ name }) => name === beside) || session.unknownGallery(beside, {});
  /** @param {boolean} isExact */
  const search = (isExact) => (isSame ? [isExact ? "exact search" : "search by its index"] : []);
  return [
    sideOf(gallery, results, { message: gallery.refused || whyNone, isAwaited: busy, how: search(controls.exact) }),
    sideOf(second, isFound(other) ? other : null, { message: other?.message, isAwaited: busy || isOtherAwaited, how: search(true) }),
  ];
}

/** @param {OtherResults | null} other @returns {other is Results} */
const isFound = (other) => other !== null && !other.message;

/**
 * @param {ChosenGallery} gallery
 * @param {Results | null} results
 * @param {{ message?: string, isAwaited: boolean, how: string[] }} state
 */
function sideOf(gallery, results, { message, isAwaited, how }) {
  const hits = filtered(results?.hits || [], state.filters);
  const shown = inOrder(hits.slice(0, state.shown), state.filters.sort);
  return { gallery, results, hits, shown, message: (!results && message) || "", isAwaited, how: [gallery.model, ...how].filter(Boolean).join(", ") };
}

// --- a column ----------------------------------------------------------------------------------

function makeColumn() {
  const parts = {
    name: make("h2"),
    how: make("p", { class: "by" }),
    verdict: make("p", { class: "verdict", role: "status" }),
    notice: make("p", { class: "notice", role: "status" }),
    message: make("p", { class: "message", role: "alert" }),
    cards: make("ol", { class: "found-here", onkeydown: walk }),
    timing: make("div", { class: "spent" }),
  };
  const { name, how, verdict, notice, message, cards, timing } = parts;
  const section = make("section", {}, make("header", {}, name, how), make("div", {}, verdict, notice, message), cards, timing);
  return { section, ...parts, timed: /** @type {Results | null} */ (null), shown: "" };
}

/**
 * @param {Column} column
 * @param {Side} side
 * @param {Map<string, number> | null} there the ranks of the other side
 * @param {Side} away that one
 */
function showSide(column, side, there, away) {
  const { gallery, results, shown, message, isAwaited, how } = side;
  column.section.setAttribute("aria-label", gallery.name);
  column.section.setAttribute("aria-busy", `${isAwaited}`);
  show(column.name, gallery.title || gallery.name);
  show(column.how, how);
  show(column.verdict, results?.verdict || "");
  column.verdict.classList.toggle("found", Boolean(results?.hits.some(isSource)));
  show(column.notice, results ? noticeOf(results, gallery.floor ?? 0) : "");
  show(column.message, message);
  if (column.timed !== results) {
    column.timed = results;
    if (results) showTiming(column.timing, results);
    else column.timing.replaceChildren();
  }
  /** @param {Hit} hit */
  const words = (hit) => (there ? placeThere(hit, there) : "");
  const wanted = JSON.stringify([gallery.name, away.gallery.name, ...shown.map((hit) => [session.imageKey(hit), hit.score, words(hit)])]);
  if (column.shown === wanted) return;
  column.shown = wanted;
  const focused = focusedIn(column.cards)?.closest("li")?.dataset.file;
  const isShownThere = new Set(away.shown.map(fileOf));
  column.cards.replaceChildren(...shown.map((hit, at) => card(hit, {
    words: words(hit), isBoth: isShownThere.has(fileOf(hit)), away: away.gallery.name, isFirst: at === 0, hits: () => shown,
    of: hit.gallery === gallery.name ? "" : hit.gallery,
  })));
  if (focused) (cardsOf(column.cards).find((each) => each.parentElement?.dataset.file === focused) || column.cards.querySelector("button"))?.focus({ preventScroll: true });
}

/**
 * @param {Hit} hit
 * @param {{ words: string, isBoth: boolean, away: string, isFirst: boolean, hits: () => Hit[], of: string }} side
 */
function card(hit, { words, isBoth, away, isFirst, hits, of }) {
  const name = session.nameOf(hit);
  const kind = kindOf(hit);
  const isThere = words.startsWith("no. ");
  const point = () => pointAt(hit);
  const leave = () => pointAt(null);
  return make(
    "li", { "data-file": fileOf(hit), "data-id": hit.id, onpointerenter: point, onfocusin: point, onpointerleave: leave, onfocusout: leave },
    make(
      "button", {
        type: "button", class: "bare", tabindex: isFirst ? "0" : "-1", onclick: () => openDetail(hit, hits),
        "aria-label": [`Open no. ${hit.rank}: ${session.titleOf(hit)}`, `score ${hit.score.toFixed(3)}`, kind, isThere ? `${words.replace(" there", "")} in ${away}` : words].filter(Boolean).join(", "),
      },
      session.isText(hit) ? make("span", { class: "said" }, `${hit.metadata.text}`) : make("img", { src: hit.thumbnail_url, alt: "", loading: "lazy" }),
      makeOutline(regionInImage(hit.match), [hit.width, hit.height]),
    ),
    make("p", {}, make("b", {}, `${hit.rank}`), make("span", { class: "score" }, hit.score.toFixed(3)),
      words && make("span", { class: `place ${isBoth ? "both" : isThere ? "" : "only"}`, title: isThere ? `${away} has it, too` : `not among what ${away} found` }, words)),
    of && make("p", { class: "label of" }, of),
    make("p", { class: "label", title: hit.path }, name),
  );
}

/**
 * The same picture on the other side.
 * @param {Hit | null} hit
 */
function pointAt(hit) {
  session.point(hit);
  for (const each of allIn(document, ".found-here li")) {
    each.classList.toggle("twin", hit !== null && each.dataset.file === fileOf(hit));
  }
}

/** @param {HTMLElement} list */
const cardsOf = (list) => allIn(list, "li > button");

/**
 * One Tab stop a column; arrow keys go on in it.
 * @param {import("../types.js").At<HTMLOListElement, KeyboardEvent>} event
 */
function walk(event) {
  const cards = cardsOf(event.currentTarget);
  /** @param {HTMLElement} each */
  const top = (each) => each.getBoundingClientRect().top;
  const across = cards.filter((each) => top(each) === top(cards[0])).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
  const to = step && cards[cards.findIndex((each) => focusedIn(each)) + step];
  if (!step) return;
  event.preventDefault();
  if (!to) return;
  for (const each of cards) each.tabIndex = each === to ? 0 : -1;
  to.focus();
}

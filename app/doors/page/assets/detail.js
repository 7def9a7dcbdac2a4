// One result, large, with its facts; from here to the next search or to comparing.
// Keys: arrows go on, or move a picture that is zoomed; + − 0 zoom; Enter searches with it, C compares,
// Esc closes (first the comparison).

import { addressOf } from "./address.js";
import { alignmentOf } from "./align.js";
import { makeComparison } from "./compare.js";
import { chosenHits, shownHits } from "./filters.js";
import { wayToFolder } from "./folder.js";
import { metadataRows, sizeInWords, wholePath } from "./image_facts.js";
import { makeLarge } from "./large.js";
import { allIn, button, closest, copyButton, findIn, focusedIn, make } from "./make.js";
import { removalOf } from "./removal.js";
import * as session from "./session.js";
import { kindOf, overlapOf } from "./summary.js";
import { shownSource } from "./turned.js";

/** @import { Child, Hit, Reference, Results } from "../types.js" */

const { state } = session;
const FURTHER = 50; // results that are shown in the grid, where one of them was gone on to
const READ_AHEAD = 20;

/** @type {HTMLDialogElement} */
let dialog;
/** @type {ReturnType<typeof makeParts>} */
let parts; // of the dialog, which stay while what it shows changes
/** @type {Hit} */
let current; // the hit that is shown
/** @type {ReturnType<typeof makeLarge>} */
let large; // its picture
/** @type {(() => Hit[]) | null} */
let among = null; // those that one goes on through, where they are not the grid's
let comparing = false;
/** @type {Results | null} */
let results = null; // those it belongs to: when new ones come, it closes
const thumbnails = new WeakSet(); // the hits whose original is not here

session.onChange(() => {
  if (!dialog?.open) return;
  if (state.results !== results) dialog.close();
  else showPlace();
});
window.addEventListener("popstate", () => dialog?.close());

/**
 * Show a result large.
 * @param {Hit} hit
 * @param {() => Hit[]} [hits] those that one goes on through from it, where it is not in the grid
 */
export function openDetail(hit, hits) {
  among = hits || null;
  if (!dialog) makeDialog();
  results = state.results;
  show(hit);
  dialog.showModal();
  dialog.focus(); // not one of its buttons: Enter searches with the result
}

function makeParts() {
  const turning = {
    previous: button("Previous", () => step(-1), { "aria-keyshortcuts": "ArrowLeft" }),
    // With the name, which a screen reader says too when another result is shown.
    name: make("span", { class: "unseen" }),
    place: make("span"),
    next: button("Next", () => step(1), { "aria-keyshortcuts": "ArrowRight" }),
  };
  const { previous, name, place, next } = turning;
  return {
    ...turning,
    title: make("h2", { id: "detail-title" }),
    turning: make("div", { class: "turning", role: "group", "aria-label": "Other results" },
      previous, make("span", { class: "place", "aria-live": "polite", "aria-atomic": "true" }, name, place), next),
    back: button("Back", () => show(current), { "aria-keyshortcuts": "Escape" }),
    problem: make("div", { role: "alert" }),
    body: make("div", { class: "body" }),
  };
}

function makeDialog() {
  parts = makeParts();
  dialog = make(
    "dialog", { class: "detail one-result", "aria-labelledby": "detail-title", tabindex: "-1" },
    make("header", {}, parts.title, parts.turning, parts.back, button("Close", () => dialog.close())),
    parts.problem, parts.body,
  );
  dialog.addEventListener("keydown", onKey);
  dialog.addEventListener("cancel", (event) => {
    if (!comparing) return;
    event.preventDefault();
    show(current);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    const cards = allIn(document, ".hit .open");
    const key = session.imageKey(current);
    const own = cards.find((each) => /** @type {HTMLElement | null} */ (each.closest(".hit"))?.dataset.key === key);
    (own || cards[Math.min(current.rank, cards.length) - 1])?.focus(); // the next one, if it was removed
  });
  document.body.append(dialog);
}

/**
 * Replace the content; the keyboard stays on the button with the same words, or in the dialog.
 * @param {string} title
 * @param {...Node} content
 */
function fill(title, ...content) {
  const focused = focusedIn(dialog);
  parts.title.textContent = title;
  parts.turning.hidden = comparing;
  parts.back.hidden = !comparing;
  parts.problem.replaceChildren();
  parts.body.replaceChildren(...content);
  if (focused?.isConnected && focused.checkVisibility()) return;
  const again = [...parts.body.querySelectorAll("button")].find(({ textContent }) => textContent === focused?.textContent);
  (again || dialog).focus();
}

/** @param {Hit} hit */
function show(hit) {
  current = hit;
  comparing = false;
  const text = session.isText(hit);
  large = makeLarge(hit, step);
  const rows = factsOf(hit, text);
  const changing = {
    missing: make("p", { class: "notice", role: "status", hidden: true }),
    // Without a fallback: what is saved is the original or nothing.
    download: make("span", { class: "file-ways" },
      make("a", { href: hit.image_url, target: "_blank", role: "button" }, "Open the file"),
      make("a", { href: hit.image_url, download: "", role: "button" }, "Download")),
    folder: text ? null : wayToFolder(hit, "Open its folder", "Open its folder"),
  };
  parts.name.textContent = `${session.titleOf(hit)}, `;
  showPlace();
  fill(session.titleOf(hit), make("div", { class: "one" },
    large.element,
    make("div", { class: "known" },
      actsOf(hit, text, changing.download),
      changing.missing, // what comes late moves no button
      make("dl", {}, rows.flatMap(([term, ...value]) => [make("dt", {}, term), make("dd", {}, value)])),
      changing.folder,
      removalOf(hit),
      make("p", { class: "keys" },
        `Keys: ← → previous and next, ${text ? "" : "+ − 0 zoom, "}Enter searches, ${state.edit && !text ? "C compares, " : ""}Esc closes.`))));
  dialog.scrollTop = 0;
  if (large.picture) showIfMissing(hit, { ...changing, picture: large.picture });
}

/** @param {Hit} hit @param {boolean} text @param {Node} download */
function actsOf(hit, text, download) {
  return make("div", { class: "acts" },
    button("Search with this", searchWithIt, { class: "primary", "aria-keyshortcuts": "Enter" }),
    ...(state.edit && !text ? [button("Compare", compare, { "aria-keyshortcuts": "C" })] : []),
    text ? copyButton(() => `${hit.metadata.text}`, () => "Text copied", "Copy the text") : download,
    copyButton(link),
    // Examples are of one gallery: ids in another mean other images.
    ...(!session.isOfChosen(hit) ? [] : [
      button("More like this", () => more(session.MORE)),
      button("Less like this", () => more(session.LESS)),
    ]));
}

/**
 * Return rows of a term and what is known of it.
 * @param {Hit} hit
 * @param {boolean} text
 * @returns {[term: string, ...value: Child[]][]}
 */
function factsOf(hit, text) {
  const { text: itself, ...others } = hit.metadata || {};
  const known = metadataRows(text ? others : hit.metadata || {});
  /** @type {ReturnType<typeof factsOf>} */
  const rows = [
    ["Score", !state.browsing && `${hit.score.toFixed(4)}, no. ${hit.rank}`],
    ["Kind", kindOf(hit)],
    ["Overlap", overlapOf(hit.match)],
    ["Gallery", !session.isOfChosen(hit) && hit.gallery],
    ["Labels", hit.labels.join(", ") || "none"],
    ["File", ...(text ? [] : fileOf(hit))],
    ["Size", !text && sizeInWords(hit)],
    ["Also at", hit.copies > 0 && placesOf(hit)],
  ];
  for (const { name, value, copied } of known) {
    rows.push([name, value, copied && copyButton(() => copied, () => "Copied", "Copy the coordinates")]);
  }
  return rows.filter(([, value]) => value);
}

/**
 * The folders of a gallery are among its facts, which everybody is told who may search it.
 * @param {Hit} hit
 */
function fileOf(hit) {
  const gallery = state.galleries.find(({ name }) => name === hit.gallery) || state.gallery;
  const path = wholePath(hit, gallery?.sources);
  return [make("span", { class: "path" }, path), copyButton(() => path, () => "Path copied", "Copy the path")];
}

/** @param {Hit} hit */
function placesOf({ copies, places, gallery }) {
  const left = copies - places.length;
  return make(
    "ul", { class: "places", tabindex: "0", "aria-label": "Other places of the same file" },
    places.map((each) => make("li", {}, each.gallery === gallery ? each.path : `${each.gallery}: ${each.path}`)),
    left > 0 && make("li", {}, `and ${left.toLocaleString("en")} more`),
  );
}

/**
 * Where the original is not here, its thumbnail is shown, and there is nothing to save.
 * @param {Hit} hit
 * @param {{ picture: HTMLImageElement, missing: HTMLElement, download: HTMLElement, folder: HTMLElement | null }} shown
 */
async function showIfMissing(hit, { picture, missing, download, folder }) {
  const why = await session.whyNoOriginal(hit);
  if (!why) return;
  thumbnails.add(hit);
  await picture.decode().catch(() => {});
  const size = `${picture.naturalWidth} × ${picture.naturalHeight} pixels`;
  missing.textContent = `The original is not here: this is its thumbnail, ${size}. ${why}`;
  missing.hidden = false;
  const lost = [download, folder].some((each) => each?.contains(document.activeElement));
  if (lost) dialog.focus();
  download.replaceWith(make("button", { type: "button", disabled: true, title: why }, "Download"));
  folder?.remove();
}

// --- the results before and after it -----------------------------------------------------------

/**
 * Return the hits to go through, and how many there are, of a list also those that are not read yet.
 * In an order that is not theirs only those that are shown: others would come between them.
 */
function sequence() {
  const { browsing, filters: { sort } } = state;
  const isWhole = !among && (browsing || sort === "score");
  const hits = among?.() || (isWhole ? chosenHits() : shownHits());
  const total = isWhole && results?.listed ? Math.max(hits.length, results.candidates) : hits.length;
  return { hits, total, at: hits.findIndex((each) => session.imageKey(each) === session.imageKey(current)) };
}

function showPlace() {
  const { at, total } = sequence();
  const words = `${(at + 1).toLocaleString("en")} of ${total.toLocaleString("en")}`;
  if (parts.place.textContent !== words) parts.place.textContent = words;
  // Not disabled: a button that is would lose the keyboard.
  parts.previous.setAttribute("aria-disabled", `${at <= 0}`);
  parts.next.setAttribute("aria-disabled", `${at >= total - 1}`);
}

/** @param {number} by */
async function step(by) {
  const from = current;
  const { at, total } = sequence();
  const wanted = at + by;
  if (wanted < 0 || wanted >= total) return;
  while (wanted >= sequence().hits.length && await session.readOn());
  if (!dialog.open || current !== from) return; // meanwhile something else was chosen
  const { hits } = sequence();
  if (!hits[wanted]) {
    parts.problem.replaceChildren(...(state.message ? [make("p", { class: "message" }, state.message)] : []));
    return;
  }
  show(hits[wanted]);
  if (wanted >= state.shown) session.set({ shown: state.shown + FURTHER });
  if (hits.length - wanted < READ_AHEAD) session.readOn();
}

// --- from here ---------------------------------------------------------------------------------

/** @type {(hit: Hit) => Reference} */
const queryOf = (hit) => ({ kind: "image", gallery: hit.gallery, id: hit.id });

function searchWithIt() {
  dialog.close();
  session.ask(queryOf(current));
}

/** @param {string} wish */
function more(wish) {
  dialog.close();
  session.addExample(current, wish);
}

function link() {
  const { controls, filters } = state;
  const address = addressOf({
    edit: queryOf(current), examples: [], controls, filters, gallery: current.gallery,
  });
  return new URL(address, location.href).href;
}

async function compare() {
  const { edit } = state;
  if (!edit || session.isText(current)) return;
  comparing = true;
  const query = { src: await shownSource(edit, { cut: true }), name: "Query" };
  const name = session.nameOf(current);
  const result = { src: current.shown_url, name: thumbnails.has(current) ? `${name}, its thumbnail` : name };
  fill(`Query and no. ${current.rank}`, makeComparison(query, result, current.match && alignmentOf({ ...current, match: current.match })));
  findIn(dialog, ".comparison").focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const control = closest(event, "button, a, input");
  if (comparing || closest(event, ".places")) return; // their own keys
  if (event.key === "c" || event.key === "C") compare();
  else if (!session.isText(current) && large.zoom.key(event)) {
    // it has done so
  } else if (event.key === "ArrowLeft" || event.key === "ArrowUp") step(-1);
  else if (event.key === "ArrowRight" || event.key === "ArrowDown") step(1);
  else if (event.key === "Enter" && !control) searchWithIt();
  else return;
  event.preventDefault();
}

// The results as a grid, with the notice above and the timing below; and what can be done with them.

import "./double_click.js";
import { showAsked } from "./asked.js";
import { inLink } from "./address.js";
import { openDetail } from "./detail.js";
import { exportContactSheet, exportCsv, exportJson } from "./export.js";
import { isSeeing } from "./face.js";
import { makeBrowse } from "./facets.js";
import { chosenHits, showToolbar, shownHits } from "./filters.js";
import { button, copyButton, make } from "./make.js";
import { isSource, makeOutline, regionInImage } from "./outlines.js";
import * as session from "./session.js";
import { makeSides } from "./side_by_side.js";
import { kindOf, noticeOf, timingOf } from "./summary.js";

const { state } = session;
const STEP = 50;
const STEP_WHERE_BROWSED = 200; // more than the window, so that its end leaves it again

const LOOKED_AGAIN_AFTER = 100; // ms: it may be there still

const stepOf = () => (state.browsing ? STEP_WHERE_BROWSED : STEP);

export function start({ element }) {
  const place = element.querySelector(".results");
  const parts = {
    asked: make("div", { class: "asked" }),
    verdict: make("p", { class: "verdict", role: "status" }),
    notice: make("p", { class: "notice", role: "status" }),
    browse: makeBrowse(),
    toolbar: make("div", { class: "toolbar" }),
    sides: makeSides(),
    grid: make("ol", { class: "hits", "aria-label": "Results" }),
    more: make("div", { class: "more" }),
    timing: make("p", { class: "timing" }),
    save: make("div", { class: "save" }),
  };
  reached.observe(parts.more);
  let shownResults = null;
  let shownQuery = "";
  session.onChange(() => {
    place.classList.toggle("loading", state.busy);
    place.setAttribute("aria-busy", state.busy);
    const query = JSON.stringify([state.edit, state.words, state.results?.words, state.browsing, state.examples, state.gallery?.name, state.past.map(({ key }) => key)]);
    if (query !== shownQuery) {
      shownQuery = query;
      showAsked(parts.asked);
    }
    if (!state.results) {
      parts.verdict.textContent = "";
      // It stays in place: only what changes in it is announced.
      place.replaceChildren(parts.asked, parts.verdict, parts.browse, parts.sides, ...waiting());
      shownResults = null;
      return;
    }
    if (shownResults !== state.results) {
      shownResults = state.results;
      showToolbar(parts.toolbar);
      showNotice(parts.notice);
      parts.timing.textContent = timingOf(state.results);
      const focused = focusIn(parts.grid);
      const before = parts.grid;
      parts.grid = make("ol", { class: "hits", "aria-label": "Results", tabindex: "-1" });
      showSave(parts.save);
      if (before.isConnected) before.replaceWith(parts.grid); // the rest keeps the keyboard
      else place.replaceChildren(...Object.values(parts));
      showVerdict(parts.verdict);
      showHits(parts);
      if (focused) focusAgain(focused, parts.grid);
      scrollToResults(place);
    }
    showHits(parts);
  });
}

// The keyboard stays at the same button of the same result, or at least in the results.
function focusIn(grid) {
  const control = grid.contains(document.activeElement) && document.activeElement;
  return control && { key: control.closest(".hit")?.dataset.key, what: control.className || control.textContent };
}

function focusAgain({ key, what }, grid) {
  const card = [...grid.children].find((each) => each.dataset.key === key);
  const controls = [...(card?.querySelectorAll("button") || [])];
  const same = controls.find((each) => (each.className || each.textContent) === what);
  (same || grid).focus({ preventScroll: true });
}

// On a phone the results of a new picture lie below the window; while one edits it, it stays in view.
function scrollToResults(place) {
  const below = place.getBoundingClientRect().top > 0.6 * window.innerHeight;
  if (below && state.original === state.edit) place.scrollIntoView();
}

// What stands where results will be; nothing on a page that was just opened.
function waiting() {
  if (!isSeeing()) return [];
  return [state.busy ? skeleton() : make("p", { class: "empty" }, "There are no results: see the message above.")];
}

function skeleton() {
  return make(
    "ol", { class: "waiting", "aria-label": "Searching" },
    Array.from({ length: state.controls.k }, () => make("li", { class: "skeleton" })),
  );
}

function showVerdict(place) {
  const { hits, verdict, words, candidates } = state.results;
  if (state.browsing) {
    const images = state.gallery?.holds === "text" ? "texts" : "images";
    const all = isFiltered(false) ? ` of ${state.gallery.images.toLocaleString("en")}` : "";
    place.textContent = `${candidates.toLocaleString("en")}${all} ${images}`;
    place.classList.remove("found");
    return;
  }
  const isNowhere = !hits.length && words === "written" && !isFiltered();
  place.textContent = verdict || (isNowhere ? `Nothing is written “${state.words}” here.` : "");
  place.classList.toggle("found", hits.some(isSource));
}

function showNotice(place) {
  place.textContent = noticeOf(state.results, state.gallery.floor);
  place.hidden = !place.textContent;
}

// --- the grid ----------------------------------------------------------------------------------

function showHits(parts) {
  const hits = chosenHits();
  const visible = shownHits();
  const keys = visible.map(session.imageKey).join();
  if (parts.grid.dataset.keys !== keys) {
    const cards = new Map([...parts.grid.children].map((each) => [each.dataset.key, each]));
    parts.grid.replaceChildren(...visible.map((hit) => cards.get(session.imageKey(hit)) || card(hit)));
    parts.grid.dataset.keys = keys;
  }
  const { listed, candidates } = state.results;
  const left = (listed ? Math.max(hits.length, candidates) : hits.length) - visible.length;
  // Only if it has changed: a button that is made anew between press and release is not clicked.
  if (parts.more.dataset.left === `${hits.length > 0} ${left}`) return;
  parts.more.dataset.left = `${hits.length > 0} ${left}`;
  parts.more.replaceChildren(
    ...(hits.length || !isFiltered() ? [] : [
      make("p", {}, "The filters leave no result."),
      button("Clear the filters", () => {
        session.filter({ ...session.NO_FILTERS, sort: state.filters.sort });
        showToolbar(parts.toolbar);
      }),
    ]),
    ...(left > 0 ? [button(`Show ${Math.min(stepOf(), left)} more`, showMore, { class: "show-more" })] : []),
  );
}

function showMore() {
  session.set({ shown: state.shown + stepOf() });
  if (state.shown + stepOf() > state.results.hits.length) session.readOn();
}

// Where a gallery is browsed it goes on by itself, as long as its end is near the window.
const reached = new IntersectionObserver((entries) => {
  const { target, isIntersecting } = entries.at(-1);
  const { browsing, results, shown } = state;
  if (!isIntersecting || !browsing || !results || shown >= Math.max(results.hits.length, results.candidates)) return;
  if (shown <= results.hits.length) showMore(); // else more is on its way
  setTimeout(() => {
    reached.unobserve(target);
    reached.observe(target);
  }, LOOKED_AGAIN_AFTER);
}, { rootMargin: "600px" });

// Whether what is chosen may have left results out.
function isFiltered(asShown = true) {
  const { results, filters } = state;
  return (asShown && results.hits.length > 0) || Boolean(filters.label) || filters.where.length > 0;
}

function card(hit) {
  const name = session.nameOf(hit);
  const query = { kind: "image", gallery: hit.gallery, id: hit.id };
  const kind = kindOf(hit);
  const point = () => session.point(hit);
  // Later: a card that is taken off the page leaves while the page changes.
  const leave = () => queueMicrotask(() => { if (state.pointed === hit) session.point(null); });
  return make(
    "li", {
      class: "hit", "data-id": hit.id, "data-key": session.imageKey(hit), "data-image": JSON.stringify(query),
      onpointerenter: point, onfocusin: point, onpointerleave: leave, onfocusout: leave,
    },
    make(
      "button", {
        type: "button", class: "open", onclick: () => openDetail(hit),
        "aria-label": `Open ${name}${state.browsing ? "" : `, score ${hit.score.toFixed(3)}`}${kind && `, ${kind}`}`,
      },
      session.isText(hit) ? make("span", { class: "said" }, hit.metadata.text) : make("img", {
        src: hit.thumbnail_url, alt: name, loading: "lazy", width: hit.width || 160, height: hit.height || 120,
      }),
      makeOutline(regionInImage(hit.match), [hit.width, hit.height]),
    ),
    make(
      "div", { class: "caption" },
      !state.browsing && make("span", {
        class: "score", title: hit.kind === "matching" ? "share of the words" : "cosine similarity",
      }, hit.score.toFixed(3)),
      marksOf(hit, kind),
      !session.isOfChosen(hit) && make("span", { class: "label of" }, hit.gallery),
      hit.labels.length > 0 && make("span", { class: "file" }, hit.path.split("/").at(-1)),
      make("span", { class: "label", title: hit.path }, name),
      hit.match?.reason && make("span", { class: "why", title: kind }, hit.match.reason),
    ),
    make(
      "div", { class: "acts" },
      button("Search with this", () => session.ask(query), { class: "reuse" }),
      // Examples are of one gallery: ids in another mean other images.
      ...(!session.isOfChosen(hit) ? [] : [button("+", () => session.addExample(hit, session.MORE), {
        title: "More like this", "aria-label": `More like ${name}, no. ${hit.rank}`,
      }),
      button("−", () => session.addExample(hit, session.LESS), {
        title: "Less like this", "aria-label": `Less like ${name}, no. ${hit.rank}`,
      })]),
    ),
  );
}

function marksOf({ kind, remarks }, title) {
  const told = !title || remarks.includes(kind); // "same file" is a remark too
  return [
    !told && make("span", { class: "mark kind", "data-kind": kind, title }, title.split(":")[0]),
    // The first word chooses the colour, in results.css.
    remarks.map((remark) => make("span", { class: `mark ${remark.split(" ")[0]}` }, remark)),
  ].flat();
}

// Arrow keys walk through the grid as they do through the cards on screen.
document.addEventListener("keydown", (event) => {
  const open = event.target.closest?.(".hit .open");
  const steps = { ArrowLeft: -1, ArrowRight: 1 };
  if (!open) return;
  const cards = [...document.querySelectorAll(".hit .open")];
  const columns = cards.filter((each) => each.getBoundingClientRect().top === cards[0].getBoundingClientRect().top).length;
  const step = steps[event.key] ?? { ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (!step) return;
  cards[cards.indexOf(open) + step]?.focus();
  event.preventDefault();
});

// --- below the grid ----------------------------------------------------------------------------

function showSave(place) {
  place.replaceChildren(
    make("span", {}, "Save these results as "),
    button("JSON", () => exportJson(state.results, state.gallery.floor, { query: state.edit, words: state.words }, shownHits())),
    button("CSV", () => exportCsv(shownHits())),
    button("Contact sheet", () => exportContactSheet(shownHits())),
    copyButton(() => location.href, () => (inLink(state.edit)
      ? "Link copied" : "Copied, without the picture: an uploaded one is never in a link")),
  );
}

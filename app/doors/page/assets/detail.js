// One result, large, with its facts; from here to the next search or to comparing.
// Keys: arrows move, Enter searches with it, C compares, Esc closes (first the comparison).

import { addressOf } from "./address.js";
import { alignmentOf } from "./align.js";
import { makeComparison } from "./compare.js";
import { shownHits } from "./filters.js";
import { button, copyButton, make } from "./make.js";
import { makeOutline, regionInImage } from "./outlines.js";
import { removalOf } from "./removal.js";
import * as session from "./session.js";
import { kindOf, overlapOf } from "./summary.js";
import { shownSource } from "./turned.js";

let dialog = null;
let current = null; // the hit that is shown
let among = shownHits; // those that one goes on through
let comparing = false;
let results = null; // those it belongs to: when new ones come, it closes
const thumbnails = new WeakSet(); // the hits whose original is not here

session.onChange(() => {
  if (dialog?.open && session.state.results !== results) dialog.close();
});
window.addEventListener("popstate", () => dialog?.close());

/**
 * Show a result large.
 * @param {object} hit
 * @param {() => object[]} hits those that one goes on through from it
 */
export function openDetail(hit, hits = shownHits) {
  among = hits;
  if (!dialog) {
    dialog = make("dialog", { class: "detail", "aria-label": "A result", tabindex: "-1" });
    dialog.addEventListener("keydown", onKey);
    dialog.addEventListener("cancel", (event) => {
      if (!comparing) return;
      event.preventDefault();
      show(current);
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => {
      const cards = [...document.querySelectorAll(".hit .open")];
      const own = cards.find((each) => each.closest(".hit").dataset.key === session.imageKey(current));
      (own || cards[Math.min(current.rank, cards.length) - 1])?.focus(); // the next one, if it was removed
    });
    document.body.append(dialog);
  }
  results = session.state.results;
  show(hit);
  dialog.showModal();
  dialog.focus(); // not one of its buttons: Enter searches with the result
}

// Replace the content; the keyboard stays on the button with the same words, or in the dialog.
function fill(...content) {
  const focused = dialog.contains(document.activeElement) && document.activeElement.textContent;
  dialog.replaceChildren(...content);
  const again = [...dialog.querySelectorAll("button")].find(({ textContent }) => textContent === focused);
  (again || dialog).focus();
}

// Imported vectors may have come without their pictures.
function sizeOf(hit) {
  if (!hit.width) return "not known: the picture is not here";
  return `${hit.width} × ${hit.height} pixels, ${(hit.bytes / 1000).toFixed(1)} kB`;
}

function show(hit) {
  current = hit;
  comparing = false;
  const name = session.nameOf(hit);
  const text = session.isText(hit);
  const facts = factsOf(hit, text);
  const parts = {
    picture: make("img", { src: hit.shown_url, alt: name, width: hit.width || 160, height: hit.height || 120 }),
    missing: make("p", { class: "notice", role: "status", hidden: true }),
    // Without a fallback: what is saved is the original or nothing.
    download: make("a", { href: hit.image_url, download: "", role: "button" }, "Download"),
  };
  fill(
    make("header", {},
      make("h2", {}, name),
      button("Previous", () => step(-1), { "aria-keyshortcuts": "ArrowLeft" }),
      button("Next", () => step(1), { "aria-keyshortcuts": "ArrowRight" }),
      button("Close", () => dialog.close(), { "aria-keyshortcuts": "Escape" })),
    make("div", { class: "one" },
      make("div", { class: "large" }, text ? make("blockquote", { class: "said" }, hit.metadata.text) : make(
        "div", { class: "outlined" }, parts.picture,
        makeOutline(regionInImage(hit.match), [hit.width, hit.height]),
      )),
      make("div", {},
        parts.missing,
        make("dl", {}, facts.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)])),
        make("div", { class: "acts" },
          button("Search with this", searchWithIt, { class: "primary", "aria-keyshortcuts": "Enter" }),
          ...(session.state.edit && !text ? [button("Compare", compare, { "aria-keyshortcuts": "C" })] : []),
          text ? copyButton(() => hit.metadata.text, () => "Text copied", "Copy the text") : parts.download,
          copyButton(link),
          // Examples are of one gallery: ids in another mean other images.
          ...(!session.isOfChosen(hit) ? [] : [
            button("More like this", () => more(session.MORE)),
            button("Less like this", () => more(session.LESS)),
          ])),
        removalOf(hit),
        make("p", { class: "keys" }, `Keys: ← → move, Enter searches, ${session.state.edit && !text ? "C compares, " : ""}Esc closes.`))),
  );
  if (!text) showIfMissing(hit, parts);
}

function factsOf(hit, text) {
  const known = Object.entries(hit.metadata || {}).filter(([name]) => !text || name !== "text");
  return [
    ["Score", `${hit.score.toFixed(4)}, no. ${hit.rank}`],
    ["Kind", kindOf(hit)],
    ["Overlap", overlapOf(hit.match)],
    ...(session.isOfChosen(hit) ? [] : [["Gallery", hit.gallery]]),
    ["Labels", hit.labels.join(", ") || "none"],
    ["File", !text && hit.path],
    ["Size", !text && sizeOf(hit)],
    ["Also at", hit.copies && placesOf(hit)],
    ...known.map(([name, value]) => [name, `${value}`]),
  ].filter(([, value]) => value);
}

function placesOf({ copies, places, gallery }) {
  const more = copies - places.length;
  return make(
    "ul", { class: "places", tabindex: "0", "aria-label": "Other places of the same file" },
    places.map((each) => make("li", {}, each.gallery === gallery ? each.path : `${each.gallery}: ${each.path}`)),
    more > 0 && make("li", {}, `and ${more.toLocaleString("en")} more`),
  );
}

// Where the original is not here, its thumbnail is shown, and there is nothing to save.
async function showIfMissing(hit, { picture, missing, download }) {
  const why = await session.whyNoOriginal(hit);
  if (!why) return;
  thumbnails.add(hit);
  await picture.decode().catch(() => {});
  const size = `${picture.naturalWidth} × ${picture.naturalHeight} pixels`;
  missing.textContent = `The original is not here: this is its thumbnail, ${size}. ${why}`;
  missing.hidden = false;
  if (document.activeElement === download) dialog.focus();
  download.replaceWith(make("button", { type: "button", disabled: true, title: why }, "Download"));
}

function step(by) {
  const hits = among();
  const next = hits[hits.findIndex((each) => session.imageKey(each) === session.imageKey(current)) + by];
  if (next) show(next);
}

const queryOf = (hit) => ({ kind: "image", gallery: hit.gallery, id: hit.id });

function searchWithIt() {
  dialog.close();
  session.ask(queryOf(current));
}

function more(wish) {
  dialog.close();
  session.addExample(current, wish);
}

function link() {
  const { controls, filters } = session.state;
  const address = addressOf({
    edit: queryOf(current), examples: [], controls, filters, gallery: current.gallery,
  });
  return new URL(address, location.href).href;
}

async function compare() {
  const { edit } = session.state;
  if (!edit || session.isText(current)) return;
  comparing = true;
  const query = { src: await shownSource(edit, { cut: true }), name: "Query" };
  const name = session.nameOf(current);
  const result = { src: current.shown_url, name: thumbnails.has(current) ? `${name}, its thumbnail` : name };
  fill(
    make("header", {},
      make("h2", {}, `Query and no. ${current.rank}`),
      button("Back", () => show(current), { "aria-keyshortcuts": "Escape" }),
      button("Close", () => dialog.close())),
    makeComparison(query, result, current.match && alignmentOf(current)),
  );
  dialog.querySelector(".comparison").focus();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const control = event.target.closest("button, a, input");
  if (comparing || event.target.closest(".places")) return; // their own keys
  if (event.key === "c" || event.key === "C") compare();
  else if (event.key === "ArrowLeft" || event.key === "ArrowUp") step(-1);
  else if (event.key === "ArrowRight" || event.key === "ArrowDown") step(1);
  else if (event.key === "Enter" && !control) searchWithIt();
  else return;
  event.preventDefault();
}

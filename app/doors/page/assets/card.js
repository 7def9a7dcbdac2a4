// A result → its card: the picture, what is known of it, and what can be done with it.

import { openDetail } from "./detail.js";
import { button, make } from "./make.js";
import { makeOutline, regionInImage } from "./outlines.js";
import { toggle } from "./selection.js";
import * as session from "./session.js";
import { kindOf } from "./summary.js";

/** @import { Hit } from "../types.js" */

const { state } = session;

/**
 * Return the card of a result.
 * @param {Hit} hit
 */
export function makeCard(hit) {
  const name = session.titleOf(hit);
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
      session.isText(hit) ? make("span", { class: "said" }, `${hit.metadata.text}`) : make("img", {
        src: hit.thumbnail_url, alt: name, loading: "lazy", draggable: "false", width: hit.width || 160, height: hit.height || 120,
      }),
      makeOutline(regionInImage(hit.match), [hit.width, hit.height]),
    ),
    button("✓", () => toggle(hit), {
      class: "check", title: "Select", "aria-label": `Select ${name}, no. ${hit.rank}`,
    }),
    captionOf(hit, kind),
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

/** @param {Hit} hit @param {string} kind */
function captionOf(hit, kind) {
  return make(
    "div", { class: "caption" },
    !state.browsing && make("span", {
      class: "score", title: hit.kind === "matching" ? "share of the words" : "cosine similarity",
    }, hit.score.toFixed(3)),
    marksOf(hit, kind),
    !session.isOfChosen(hit) && make("span", { class: "label of" }, hit.gallery),
    hit.labels.length > 0 && make("span", { class: "file" }, hit.path.split("/").at(-1)),
    make("span", { class: "label", title: hit.path }, session.nameOf(hit)),
    hit.match?.reason && make("span", { class: "why", title: kind }, hit.match.reason),
  );
}

/** @param {Hit} hit @param {string} title */
function marksOf({ kind, remarks }, title) {
  const told = !title || remarks.includes(kind); // "same file" is a remark too
  return [
    !told && make("span", { class: "mark kind", "data-kind": kind, title }, title.split(":")[0]),
    // The first word chooses the colour, in results.css.
    remarks.map((remark) => make("span", { class: `mark ${remark.split(" ")[0]}` }, remark)),
  ].flat();
}

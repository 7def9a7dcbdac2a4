// One of the two windows. "original" shows the picture as it came; "edit" what is searched with:
// turned, mirrored, a rectangle drawn on it.

import { makeBox } from "./box.js";
import { closest, findIn, make } from "./make.js";
import { makeOutline, outlinedHit, regionInQuery } from "./outlines.js";
import { mirrored, turned } from "./rectangle.js";
import * as session from "./session.js";
import { shownSource } from "./turned.js";
import { CHOOSE } from "./ways.js";
import { REPLACED } from "./webcam.js";

/** @import { Part, Reference } from "../types.js" */
/** @typedef {"original" | "edit"} Which */

const INVITATIONS = {
  original: "Drop a picture anywhere, paste one, or click to choose",
  edit: "The picture to search with appears here. Drag a rectangle on it to search with a part.",
};

/** @param {Part & { which: Which }} part */
export function start({ element, which }) {
  const stage = findIn(element, ".stage");
  /** @type {Record<string, () => unknown>} */
  const actions = which === "original" ? { "copy-to-edit": session.copyToEdit } : actionsOfEdit();
  element.addEventListener("click", (event) => {
    actions[closest(event, "[data-action]")?.dataset.action ?? ""]?.();
    const isFree = which === "original" && !closest(event, "button, video");
    if (isFree && closest(event, ".stage:not(.filled)")) document.dispatchEvent(new Event(CHOOSE));
  });
  session.onChange(makeStage(stage, which));
  if (which === "edit") session.onChange(() => showOutline(stage));
}

/**
 * Return the function that shows the session's picture in a stage; REPLACED says so before.
 * @param {HTMLElement} stage
 * @param {Which} which
 */
function makeStage(stage, which) {
  /** @type {string | null} */
  let shown = null;
  return async () => {
    const value = session.state[which];
    stage.classList.toggle("busy", session.state.busy);
    const wanted = value ? JSON.stringify([value.src, value.box, value.turns, value.mirrored]) : "";
    if (shown === wanted) return;
    shown = wanted;
    stage.dispatchEvent(new Event(REPLACED, { bubbles: true }));
    stage.classList.toggle("filled", Boolean(value));
    if (!value) {
      stage.replaceChildren(make("p", { class: "invitation" }, INVITATIONS[which]));
      return;
    }
    const frame = await makeFrame(value, which);
    if (shown !== wanted) return;
    const hadFocus = stage.contains(document.activeElement);
    stage.replaceChildren(frame);
    if (which === "edit") showOutline(stage);
    /** @type {HTMLElement} */
    const next = frame.querySelector(".box:not([hidden])") ?? frame;
    if (hadFocus) next.focus();
  };
}

/**
 * Show where the picture that was found lies in the query's.
 * @param {HTMLElement} stage
 */
function showOutline(stage) {
  /** @type {HTMLElement | null} */
  const frame = stage.querySelector(".frame");
  if (!frame) return;
  const corners = regionInQuery(outlinedHit(session.state)?.match, session.state.edit?.box);
  const key = JSON.stringify(corners);
  if (frame.dataset.outlined === key) return;
  frame.dataset.outlined = key;
  frame.querySelector(".outline")?.remove();
  const outline = makeOutline(corners);
  if (outline) frame.append(outline);
}

/** @param {Reference} value @param {Which} which */
async function makeFrame(value, which) {
  const src = await shownSource(which === "edit" ? value : { src: value.src });
  const image = make("img", { alt: value.name || "The query", draggable: false, src });
  const frame = make("div", { class: "frame" }, image);
  if (which === "edit") makeBox(frame, value.box || null, (box) => edit({ box }));
  return frame;
}

/** @param {Partial<Reference>} change */
function edit(change) {
  const value = session.state.edit;
  if (value) session.ask({ ...value, ...change }, { isEdit: true });
  else session.say("There is nothing in the edit window yet: drop or choose a picture.");
}

function actionsOfEdit() {
  return {
    "copy-to-original": session.copyToOriginal,
    rotate: () => {
      const { turns = 0, box } = session.state.edit || {};
      edit({ turns: (turns + 1) % 4, box: box && turned(box) });
    },
    mirror: () => {
      const { mirrored: was = false, box } = session.state.edit || {};
      edit({ mirrored: !was, box: box && mirrored(box) });
    },
    "clear-crop": () => { if (session.state.edit?.box) edit({ box: null }); },
  };
}

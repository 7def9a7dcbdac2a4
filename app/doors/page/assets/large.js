// A result's picture or text in its frame, large: zoomed there, or swiped away to another one.

import { button, make } from "./make.js";
import { makeOutline, regionInImage } from "./outlines.js";
import { isText, nameOf } from "./session.js";
import { makeZoom } from "./zoom.js";

/**
 * Return the frame of a result, its picture, which a text has none of, and the zoom in it.
 * @param {import("../types.js").Hit} hit
 * @param {(by: number) => void} swipe goes on to another one
 */
export function makeLarge(hit, swipe) {
  const text = isText(hit);
  const picture = text ? null : make("img", {
    src: hit.shown_url, alt: nameOf(hit), width: hit.width || 160, height: hit.height || 120, draggable: false,
  });
  const sheet = make("div", { class: "held" }, text ? make("blockquote", { class: "said" }, `${hit.metadata.text}`) : make(
    "div", { class: "outlined" }, picture, makeOutline(regionInImage(hit.match), [hit.width, hit.height]),
  ));
  const frame = make("div", { class: text ? "large text" : "large" }, sheet);
  /** @param {import("./zoom.js").View} view @param {number} pulled */
  const show = ({ zoom: times, x, y }, pulled) => {
    sheet.style.transform = `translate(calc(${100 * x}% + ${pulled}px), ${100 * y}%) scale(${times})`;
  };
  const zoom = makeZoom(frame, { show, swipe, isFixed: text });
  const tools = !text && make("div", { class: "zooms", role: "group", "aria-label": "Zoom" },
    button("+", zoom.larger, { "aria-label": "Zoom in", "aria-keyshortcuts": "+" }),
    button("−", zoom.smaller, { "aria-label": "Zoom out", "aria-keyshortcuts": "-" }),
    button("Whole", zoom.whole, { "aria-keyshortcuts": "0" }));
  return { element: make("div", { class: "framed" }, frame, tools), picture, zoom };
}

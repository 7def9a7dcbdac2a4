// Where a result shows what the query shows → polygons over both pictures.

/** @import { Box, Corners, Hit, Match, Results, Size } from "../types.js" */

const SVG = "http://www.w3.org/2000/svg";
const WHOLE = 0.96; // of a picture's area; the outline of more would only frame it
const SOURCES = ["same file", "same picture", "edited copy"];

/** @param {Hit} hit */
export const isSource = ({ kind }) => SOURCES.includes(kind);

/**
 * Return the result whose place in the query is outlined: the one pointed at, or the first source.
 * @param {{ results: Results | null, pointed: Hit | null, busy: boolean }} state
 */
export function outlinedHit({ results, pointed, busy }) {
  if (!results || busy) return null; // until its answer is here, a new query has no outline
  return pointed?.match ? pointed : results.hits.find(isSource) || null;
}

/**
 * Return the corners of what a result shows of the query's picture, of which `box` was searched.
 * @param {Match | null} [match]
 * @param {Box | null} [box]
 */
export function regionInQuery(match, box) {
  if (!match || match.of_query >= WHOLE) return [];
  const [left, top, right, bottom] = box || [0, 0, 1, 1];
  return match.in_query.map(([x, y]) => [left + x * (right - left), top + y * (bottom - top)]);
}

/** @param {Match | null} match */
export const regionInImage = (match) => (!match || match.of_image >= WHOLE ? [] : match.in_image);

/**
 * Return the outline of corners in fractions of a picture, which fills its place or, where its
 * size is given, lies in the middle as large as fits; null without corners.
 * @param {Corners} corners
 * @param {Size} [size]
 */
export function makeOutline(corners, size) {
  if (!corners.length) return null;
  const [width, height] = size || [1, 1];
  const points = corners.map(([x, y]) => `${x * width},${y * height}`).join(" ");
  const outline = svg("svg", {
    class: "outline", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true",
    preserveAspectRatio: size ? "xMidYMid meet" : "none",
  });
  outline.append(svg("polygon", { class: "halo", points }), svg("polygon", { points }));
  return outline;
}

/** @param {string} tag @param {Record<string, string>} attributes */
function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

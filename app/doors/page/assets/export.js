// Results → files that the browser saves: JSON, CSV, and a contact sheet (PNG).

import { makeCanvas, pngOf } from "./canvas.js";
import { nameOf, say, state } from "./session.js";

/** @import { Hit, Place, Reference, Results } from "../types.js" */

const COLUMNS = /** @type {const} */ ([
  "rank", "score", "kind", "reason", "gallery", "id", "path", "labels", "width", "height", "bytes", "places",
]);
const SHEET = { side: 160, caption: 36, gap: 12, mostColumns: 8 }; // in pixels

/** @param {Hit[]} hits of the answer that is shown */
export function exportJson(hits) {
  const { results, gallery, edit: query, words } = state;
  if (!results) return;
  const text = `${JSON.stringify(jsonOf(results, gallery?.floor, { query, words }, hits), null, 1)}\n`;
  save("results.json", new Blob([text], { type: "application/json" }));
}

/**
 * Return the document of some hits of an answer, in the gallery whose floor is `floor`.
 * @param {Results} answer
 * @param {number | null | undefined} floor
 * @param {{ query: Reference | null, words: string }} asked
 * @param {Hit[]} hits
 */
export function jsonOf({ gallery, verdict, exact, approximate, candidates, recall }, floor, { query, words }, hits) {
  return {
    gallery, query: { name: query?.name, url: query?.url, id: query?.id, box: query?.box, words: words || undefined },
    verdict, exact, approximate, candidates, recall, floor: approximate ? null : floor,
    results: hits.map((hit) => Object.fromEntries(valuesOf(hit).map((value, number) => [COLUMNS[number], value]))),
  };
}

/** @param {Hit[]} hits */
export function exportCsv(hits) {
  save("results.csv", new Blob([csvOf(hits)], { type: "text/csv" }));
}

/**
 * Return the hits as CSV of RFC 4180.
 * @param {Hit[]} hits
 */
export function csvOf(hits) {
  return tableOf([COLUMNS, ...hits.map(valuesOf)]);
}

/** @param {(readonly unknown[])[]} lines */
export const tableOf = (lines) => lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");

/** @param {string} gallery @param {Place} each */
const placeIn = (gallery, each) => (each.gallery && each.gallery !== gallery ? `${each.gallery}: ${each.path}` : each.path);

/**
 * Return what the columns hold of a hit; its other places are its other paths.
 * @param {Hit} hit
 */
function valuesOf(hit) {
  const values = { ...hit, reason: hit.match?.reason || "", places: hit.places.map((each) => placeIn(hit.gallery, each)) };
  return COLUMNS.map((name) => values[name]);
}

/** @param {unknown} value */
function cell(value) {
  const text = Array.isArray(value) ? value.join("; ") : `${value}`;
  // Spreadsheets take text with one of these in front for a formula.
  const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @param {Hit[]} hits */
export async function exportContactSheet(hits) {
  const { side, caption, gap, mostColumns } = SHEET;
  const columns = Math.min(mostColumns, hits.length) || 1;
  const rows = Math.ceil(hits.length / columns);
  const { canvas, context } = makeCanvas(columns * (side + gap) + gap, rows * (side + caption + gap) + gap);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = "13px system-ui, sans-serif";
  const images = await Promise.all(hits.map(loaded));
  images.forEach((image, number) => {
    const x = gap + (number % columns) * (side + gap);
    const y = gap + Math.floor(number / columns) * (side + caption + gap);
    drawCard(context, x, y, image, hits[number]);
  });
  const blob = await pngOf(canvas).catch(() => null);
  if (blob) save("results.png", blob);
  else say(`${hits.length} results are too many for one contact sheet: narrow them down, or save them as CSV.`);
}

/** @param {Hit} hit */
async function loaded({ thumbnail_url }) {
  const image = new Image();
  image.src = thumbnail_url;
  await image.decode().catch(() => {}); // a missing picture leaves its place empty
  return image;
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {HTMLImageElement} image @param {Hit} hit */
function drawCard(context, x, y, image, hit) {
  const { side } = SHEET;
  const scale = Math.min(side / image.naturalWidth, side / image.naturalHeight, 1);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  if (image.naturalWidth) context.drawImage(image, x + (side - width) / 2, y + (side - height) / 2, width, height);
  context.fillStyle = "#111";
  context.fillText(`${hit.rank}.  ${hit.score.toFixed(3)}`, x, y + side + 15, side);
  context.fillStyle = "#444";
  context.fillText(nameOf(hit), x, y + side + 31, side);
}

/** @param {string} name @param {Blob} blob */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Results → files that the browser saves: JSON, CSV, and a contact sheet (PNG).

import { nameOf } from "./session.js";

const COLUMNS = [
  "rank", "score", "kind", "reason", "gallery", "id", "path", "labels", "width", "height", "bytes", "places",
];
const SHEET = { side: 160, caption: 36, gap: 12, mostColumns: 8 }; // in pixels

export function exportJson(...what) {
  const text = `${JSON.stringify(jsonOf(...what), null, 1)}\n`;
  save("results.json", new Blob([text], { type: "application/json" }));
}

// Return the document of some hits of an answer, in the gallery whose floor is `floor`.
export function jsonOf({ gallery, verdict, exact, approximate, candidates, recall }, floor, { query, words }, hits) {
  return {
    gallery, query: { name: query?.name, url: query?.url, id: query?.id, box: query?.box, words: words || undefined },
    verdict, exact, approximate, candidates, recall, floor: approximate ? null : floor,
    results: hits.map((hit) => Object.fromEntries(COLUMNS.map((name) => [name, valueIn(hit, name)]))),
  };
}

export function exportCsv(hits) {
  save("results.csv", new Blob([csvOf(hits)], { type: "text/csv" }));
}

// Return the hits as CSV of RFC 4180.
export function csvOf(hits) {
  return tableOf([COLUMNS, ...hits.map((hit) => COLUMNS.map((name) => valueIn(hit, name)))]);
}

export const tableOf = (lines) => lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");

// The other places of a result are its other paths.
const placeIn = (gallery, each) => (each.gallery && each.gallery !== gallery ? `${each.gallery}: ${each.path}` : each.path);
const VALUES = {
  places: (hit) => hit.places.map((each) => placeIn(hit.gallery, each)),
  reason: (hit) => hit.match?.reason || "",
};
const valueIn = (hit, name) => (VALUES[name] ? VALUES[name](hit) : hit[name]);

function cell(value) {
  const text = Array.isArray(value) ? value.join("; ") : `${value}`;
  // Spreadsheets take text with one of these in front for a formula.
  const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export async function exportContactSheet(hits) {
  const { side, caption, gap, mostColumns } = SHEET;
  const columns = Math.min(mostColumns, hits.length) || 1;
  const rows = Math.ceil(hits.length / columns);
  const canvas = document.createElement("canvas");
  canvas.width = columns * (side + gap) + gap;
  canvas.height = rows * (side + caption + gap) + gap;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = "13px system-ui, sans-serif";
  const images = await Promise.all(hits.map(loaded));
  images.forEach((image, number) => {
    const x = gap + (number % columns) * (side + gap);
    const y = gap + Math.floor(number / columns) * (side + caption + gap);
    drawCard(context, x, y, image, hits[number]);
  });
  canvas.toBlob((blob) => save("results.png", blob), "image/png");
}

async function loaded({ thumbnail_url }) {
  const image = new Image();
  image.src = thumbnail_url;
  await image.decode().catch(() => {}); // a missing picture leaves its place empty
  return image;
}

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

export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Results → files that the browser saves: JSON, CSV, and a contact sheet (PNG).

import { nameOf } from "./session.js";

const COLUMNS = ["rank", "score", "id", "path", "labels", "width", "height", "bytes"];

export function exportJson(results, query, hits) {
  const { gallery, exact, approximate, candidates, recall, floor } = results;
  const document = {
    gallery, query: { name: query.name, url: query.url, id: query.id, box: query.box },
    exact, approximate, candidates, recall, floor,
    results: hits.map((hit) => Object.fromEntries(COLUMNS.map((name) => [name, hit[name]]))),
  };
  save("results.json", new Blob([`${JSON.stringify(document, null, 1)}\n`], { type: "application/json" }));
}

// RFC 4180; a leading = + - @ would be a formula to a spreadsheet.
export function exportCsv(hits) {
  const cell = (value) => {
    const text = Array.isArray(value) ? value.join("; ") : `${value}`;
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [COLUMNS, ...hits.map((hit) => COLUMNS.map((name) => hit[name]))];
  const text = lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
  save("results.csv", new Blob([text], { type: "text/csv" }));
}

export async function exportContactSheet(hits) {
  const [side, caption, gap, columns] = [160, 36, 12, Math.min(8, hits.length) || 1];
  const rows = Math.ceil(hits.length / columns);
  const canvas = document.createElement("canvas");
  canvas.width = columns * (side + gap) + gap;
  canvas.height = rows * (side + caption + gap) + gap;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = "13px system-ui, sans-serif";
  const pictures = await Promise.all(hits.map(async ({ thumbnail }) => {
    const image = new Image();
    image.src = thumbnail;
    await image.decode().catch(() => {}); // a picture that is gone leaves its place empty
    return image;
  }));
  pictures.forEach((image, place) => {
    const x = gap + (place % columns) * (side + gap);
    const y = gap + Math.floor(place / columns) * (side + caption + gap);
    const scale = Math.min(side / image.naturalWidth, side / image.naturalHeight, 1);
    const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
    if (image.naturalWidth) context.drawImage(image, x + (side - width) / 2, y + (side - height) / 2, width, height);
    context.fillStyle = "#111";
    context.fillText(`${hits[place].rank}.  ${hits[place].score.toFixed(3)}`, x, y + side + 15, side);
    context.fillStyle = "#444";
    context.fillText(nameOf(hits[place]), x, y + side + 31, side);
  });
  canvas.toBlob((blob) => save("results.png", blob), "image/png");
}

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

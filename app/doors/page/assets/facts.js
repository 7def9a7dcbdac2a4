// The chosen gallery's facts: one line, and all of them on request.

import { make, panel } from "./make.js";
import { moment } from "./manage_outcome.js";
import { onChange, state } from "./session.js";

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

export function start({ element }) {
  const place = element.querySelector(".gallery-facts");
  let shown = "";
  onChange(() => {
    const { gallery } = state;
    const wanted = JSON.stringify(gallery);
    if (wanted === shown) return;
    shown = wanted;
    const known = gallery && !gallery.refused && gallery.images !== undefined;
    place.replaceChildren(...(known ? [summary(gallery), all(gallery)] : []));
    if (gallery?.refused) place.append(make("p", { class: "message", role: "alert" }, gallery.refused));
  });
}

function summary(gallery) {
  const remarks = [gallery.uploads_off];
  if (gallery.approximate) {
    remarks.push("Scores are approximate: the gallery's features folder is not here.");
  }
  return make(
    "div", {},
    gallery.title && make("p", { class: "title" }, gallery.title),
    make("p", {}, `${gallery.images.toLocaleString("en")} ${gallery.holds === "text" ? "texts" : "images"}, ${gallery.model}`),
    remarks.filter(Boolean).map((remark) => make("p", { class: "remark" }, remark)),
    gallery.pictures_missing && make("p", { class: "remark missing" }, gallery.pictures_missing),
  );
}

const inWords = ([name, value]) => [name, /^\d{4}-\d\d-\d\dT/.test(value) ? moment(value) : value];

function all(gallery) {
  const facts = [
    ["name", gallery.name], ...(gallery.title ? [["title", gallery.title]] : []), ...gallery.summary.map(inWords), ["on disk", megabytes(gallery.disk_bytes)],
    ...(gallery.pictures_missing ? [["originals", gallery.pictures_missing]] : []),
    ["notes", gallery.notes.join("; ") || "none"],
  ];
  return panel(
    "About this gallery",
    make("dl", {}, facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
  );
}

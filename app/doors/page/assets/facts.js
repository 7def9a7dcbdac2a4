// The chosen gallery's facts: one line, and all of them on request.

import { make, panel } from "./make.js";
import { onChange, state } from "./session.js";

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const percent = (share) => `${(100 * share).toFixed(1)} %`;

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
  const remarks = [gallery.uploads_off, gallery.pictures_missing];
  if (gallery.approximate) {
    remarks.push("Scores are approximate: the gallery's features folder is not here.");
  }
  return make(
    "div", {},
    make("p", {}, `${gallery.images.toLocaleString("en")} images, ${gallery.model}, ${gallery.index}`),
    remarks.filter(Boolean).map((remark) => make("p", { class: "remark" }, remark)),
  );
}

function all(gallery) {
  const facts = [
    ["Name", gallery.name],
    ["Images", gallery.images.toLocaleString("en")],
    ["Files that could not be read", `${gallery.skipped}`],
    ["Model", `${gallery.model}, ${gallery.dim} numbers an image`
      + (gallery.pca ? ": its vectors centred, their principal components" : "")],
    ...(gallery.expand ? [["Queries", `with their ${gallery.expand} nearest images added, alpha `
      + `${gallery.alpha}; scores are cosines to that`]] : []),
    ["Index", gallery.probes
      ? `${gallery.index}, ${gallery.probes} probes, ${gallery.candidates} candidates`
      : gallery.index],
    ["Size on disk", megabytes(gallery.disk_bytes)],
    ["Built", new Date(gallery.created).toLocaleString()],
    ["Recall@10 when built", `${percent(gallery.recall_reranked)}; of the index alone ${percent(gallery.recall_raw)}`],
    ["Similar from a score of", gallery.floor === null ? "not known" : gallery.floor.toFixed(3)],
    ["Notes", gallery.notes.join("; ") || "none"],
  ];
  return panel(
    "About this gallery",
    make("dl", {}, facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
  );
}

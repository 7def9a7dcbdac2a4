// What is shown ↔ the address bar's text. Nothing of an uploaded picture goes into it.

import { LESS, MORE } from "./session.js";

const GRADIOS_OWN = "__theme";

// An uploaded picture is in none: it stays on this machine.
export const inLink = (edit) => Boolean(edit && (edit.kind === "image" || edit.photograph || edit.url));

// The link to what is shown.
export function addressOf({ edit, examples, controls, filters, gallery }) {
  const parts = new URLSearchParams();
  const put = (name, value) => { if (value) parts.set(name, value); };
  put("gallery", gallery);
  if (edit?.kind === "image") put("image", `${edit.id}`);
  if (edit?.kind === "image" && edit.gallery !== gallery) put("from", edit.gallery);
  put("photograph", edit?.photograph);
  put("url", edit?.url);
  if (inLink(edit)) {
    put("box", edit.box?.map((side) => +side.toFixed(4)).join());
    put("turns", edit.turns);
    put("mirrored", edit.mirrored ? "1" : "");
    // Ids of one's own may hold a comma.
    const listed = (wanted) => examples.filter(wanted).map(({ id }) => encodeURIComponent(id)).join();
    put("more", listed(({ weight }) => weight > 0));
    put("less", listed(({ weight }) => weight < 0));
  }
  if (controls.k !== 10) put("k", controls.k);
  put("exact", controls.exact ? "1" : "");
  put("without", controls.leaveOut ? "1" : "");
  put("least", filters.least);
  put("label", filters.label);
  if (filters.sort !== "score") put("sort", filters.sort);
  put("hide", filters.hideDuplicates ? "1" : "");
  put(GRADIOS_OWN, new URLSearchParams(location.search).get(GRADIOS_OWN));
  return `?${parts}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

// What an address asks for; whatever makes no sense in it is left out.
export function readAddress(address) {
  const parts = new URLSearchParams(address);
  const number = (name, least, most, otherwise) => {
    const value = Number(parts.get(name) ?? NaN);
    return value >= least && value <= most ? value : otherwise;
  };
  const weights = new Map(); // an image is an example once
  for (const [name, weight] of [["more", MORE], ["less", LESS]]) {
    for (const id of (parts.get(name) || "").split(",").map(decoded)) {
      if (id) weights.set(/^\d{1,15}$/.test(id) ? Number(id) : id, weight);
    }
  }
  const edits = {
    box: parts.has("box") ? parts.get("box").split(",").map(Number) : null,
    turns: number("turns", 0, 3, 0),
    mirrored: parts.get("mirrored") === "1",
  };
  let query = null;
  if (parts.has("image")) {
    const from = parts.get("from") || parts.get("gallery");
    query = { kind: "image", id: parts.get("image"), ...(from && { gallery: from }), ...edits };
  } else if (parts.has("url")) query = { kind: "url", url: parts.get("url"), ...edits };
  else if (parts.has("photograph")) {
    query = { kind: "photograph", name: parts.get("photograph"), ...edits };
  }
  return {
    gallery: parts.get("gallery"),
    query,
    examples: [...weights].map(([id, weight]) => ({ id, weight })),
    controls: {
      k: Math.round(number("k", 1, 100, 10)),
      exact: parts.get("exact") === "1",
      leaveOut: parts.get("without") === "1",
    },
    filters: {
      least: number("least", 0, 1, 0),
      label: parts.get("label") || "",
      sort: parts.get("sort") === "name" ? "name" : "score",
      hideDuplicates: parts.get("hide") === "1",
    },
  };
}

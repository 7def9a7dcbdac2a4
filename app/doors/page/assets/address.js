// What is shown ↔ the address bar's text. Nothing of an uploaded picture goes into it.

import { SORTS } from "./filters.js";
import { LESS, MORE } from "./session.js";

const PLACE = /^\s*(latitude|longitude)\b/i; // where pictures were taken stays out of links
const GRADIOS_OWN = "__theme";

/** @import { Example, Reference, Shown } from "../types.js" */
/** @typedef {(name: string, value?: string | number | null) => void} Put */

/**
 * An uploaded picture is in no link: it stays on this machine.
 * @param {Reference | null} edit
 * @returns {edit is Reference}
 */
export const inLink = (edit) => Boolean(edit && (edit.kind === "image" || edit.photograph || edit.url));

/**
 * Return the link to what is shown; `current` is the address bar's text, whose theme is kept.
 * @param {Omit<Shown, "original" | "words" | "browsing"> & Partial<Shown>} shown
 */
export function addressOf({ edit, words, browsing, examples, controls, filters, gallery, beside }, current = location.search) {
  const parts = new URLSearchParams();
  /** @type {Put} */
  const put = (name, value) => { if (value) parts.set(name, `${value}`); };
  put("gallery", gallery);
  put("beside", beside);
  if (inLink(edit)) putQuery(put, { edit, gallery });
  if (inLink(edit) || !edit) { // those beside a picture that is in no link say little
    put("words", words);
    putExamples(put, examples);
  }
  put("browse", browsing ? "1" : "");
  if (controls.k !== 10) put("k", controls.k);
  put("exact", controls.exact ? "1" : "");
  put("leave_out_same_file", controls.leave_out_same_file ? "1" : "");
  put("min_score", filters.min_score);
  put("label", filters.label);
  for (const condition of filters.where || []) if (!PLACE.test(condition)) parts.append("where", condition);
  if ((filters.words_weight ?? 0.5) !== 0.5) put("words_weight", `${filters.words_weight}`);
  if (filters.sort !== "score") put("sort", filters.sort);
  put("hide", filters.hideDuplicates ? "1" : "");
  put(GRADIOS_OWN, new URLSearchParams(current).get(GRADIOS_OWN));
  return `?${parts}`;
}

/** @param {Put} put @param {{ edit: Reference, gallery?: string }} shown */
function putQuery(put, { edit, gallery }) {
  if (edit.kind === "image") put("image", `${edit.id}`);
  if (edit.kind === "image" && edit.gallery !== gallery) put("from", edit.gallery);
  put("photograph", edit.photograph);
  put("url", edit.url);
  put("box", edit.box?.map((side) => +side.toFixed(4)).join());
  put("turns", edit.turns);
  put("mirrored", edit.mirrored ? "1" : "");
}

/** @param {Put} put @param {Example[]} examples */
function putExamples(put, examples) {
  // Ids are encoded, as those from a list of pictures may hold a comma.
  /** @param {string} wish */
  const ids = (wish) => examples.filter((each) => each.wish === wish && !each.reference).map(({ id }) => encodeURIComponent(id)).join();
  for (const wish of [MORE, LESS]) put(wish, ids(wish));
}

/**
 * Return the query, filters and controls of an address; whatever makes no sense in it is left out.
 * @param {string} address
 */
export function readAddress(address) {
  const parts = new URLSearchParams(address);
  const sort = parts.get("sort") || "";
  return {
    gallery: parts.get("gallery"),
    beside: parts.get("beside") || "",
    query: readQuery(parts),
    words: parts.get("words") || "",
    browsing: parts.get("browse") === "1",
    examples: readExamples(parts),
    controls: {
      k: Math.round(readNumber(parts, "k", 1, 100, 10)),
      exact: parts.get("exact") === "1",
      // The second names here and below are those of older links.
      leave_out_same_file: [parts.get("leave_out_same_file"), parts.get("without")].includes("1"),
    },
    filters: {
      min_score: readNumber(parts, "min_score", 0, 1, readNumber(parts, "least", 0, 1, 0)),
      label: parts.get("label") || "",
      where: parts.getAll("where").filter(Boolean),
      sort: SORTS.includes(sort) ? sort : "score",
      hideDuplicates: parts.get("hide") === "1",
      words_weight: readNumber(parts, "words_weight", 0, 1, 0.5),
    },
  };
}

/** @param {URLSearchParams} parts @param {string} name @param {number} least @param {number} most @param {number} otherwise */
function readNumber(parts, name, least, most, otherwise) {
  const value = Number(parts.get(name) ?? NaN);
  return value >= least && value <= most ? value : otherwise;
}

/** @param {URLSearchParams} parts @returns {Reference | null} */
function readQuery(parts) {
  const edits = {
    box: parts.get("box")?.split(",").map(Number) ?? null,
    turns: readNumber(parts, "turns", 0, 3, 0),
    mirrored: parts.get("mirrored") === "1",
  };
  const [id, url, name] = ["image", "url", "photograph"].map((each) => parts.get(each));
  if (id !== null) {
    const from = parts.get("from") || parts.get("gallery");
    return { kind: "image", id, ...(from && { gallery: from }), ...edits };
  }
  if (url !== null) return { kind: "url", url, ...edits };
  if (name !== null) return { kind: "photograph", name, ...edits };
  return null;
}

/** @param {URLSearchParams} parts */
function readExamples(parts) {
  /** @type {Map<string | number, string>} */
  const wishes = new Map(); // an image is an example once
  for (const wish of [MORE, LESS]) {
    for (const id of (parts.get(wish) || "").split(",").map(decoded)) {
      if (id) wishes.set(/^\d{1,15}$/.test(id) ? Number(id) : id, wish);
    }
  }
  return [...wishes].map(([id, wish]) => ({ id, wish }));
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

// A gallery's facts → what is seen of them at first, in plain words; all of them, each term explained.

import { make } from "./make.js";

/** @import { Gallery } from "../types.js" */
/** @typedef {[name: string, value: string, meaning?: string]} Fact */

/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

const RECALL = "How many of the ten images that are really nearest a search finds, measured when the gallery was built: 1 is all of "
  + "them. In brackets: if the candidates were not compared in full.";

// What the names of facts mean, for people who have not read how the search works.
/** @type {Record<string, string>} */
const MEANINGS = {
  model: "The network that turns each picture into a list of numbers (its dimensions): pictures that look alike get numbers that are close.",
  index: "What finds the nearest images without comparing all. IVF sorts them into cells, and looks into those cells that are nearest to "
    + "the query (probes); PQ keeps a short form of each image. The best by that, the candidates, are compared in full. Flat compares all.",
  "recall@10": RECALL,
  queries: "The numbers of a query are mixed with those of its nearest images before the search.",
  copies: "Small places of each picture are kept too, by which the same picture is known in a copy.",
  similar: "From this score on an image counts as similar: nearly all images of the gallery reach it with another one.",
};

/**
 * Return how much of what is nearest a search finds, in words.
 * @param {number} recall from 0 to 1
 * @returns {string}
 */
export function foundShare(recall) {
  if (recall >= 1) return "all of the nearest found";
  return `${Math.min(99, Math.round(100 * recall))} % of the nearest found`;
}

/**
 * Return how many images a gallery has, and how it is searched, in words.
 * @param {Pick<Gallery, "images" | "holds" | "index" | "recall_reranked">} gallery
 * @returns {string}
 */
export function sightOf({ images, holds, index, recall_reranked: recall }) {
  const [one, many] = holds === "text" ? ["text", "texts"] : ["image", "images"];
  const how = index === "Flat" && recall >= 1 ? "searched exactly" : `searched approximately (${foundShare(recall)})`;
  return `${images.toLocaleString("en")} ${images === 1 ? one : many}, ${how}`;
}

/**
 * Return what does not work with a gallery, and what to do about it; a sentence each.
 * @param {Pick<Gallery, "uploads_off" | "approximate" | "pictures_missing">} gallery
 * @returns {string[]}
 */
export function remarksOf({ uploads_off: off, approximate, pictures_missing: missing }) {
  return [
    off, approximate && "Scores are approximate: the gallery's features folder is not here.", missing,
  ].flatMap((each) => each || []);
}

/**
 * Return all facts of a gallery.
 * @param {Gallery} gallery
 */
export function detailsOf({ name, title, summary, disk_bytes: bytes = 0, notes }) {
  /** @type {Fact[]} */
  const titled = title ? [["title", title]] : [];
  /** @type {Fact[]} */
  const facts = [
    ["name", name], ...titled, ...summary.map(inWords),
    ["on disk", megabytes(bytes)], ["notes", notes.join("; ") || "none"],
  ];
  return explained(facts.map(([fact, value]) => [fact, value, MEANINGS[fact]]));
}

/**
 * Return a list of terms, each with its value and a sentence that explains it.
 * @param {Fact[]} facts
 */
export const explained = (facts) => make("dl", {}, facts.flatMap(([name, value, meaning]) => [
  make("dt", {}, name), make("dd", {}, value, meaning && make("small", {}, meaning)),
]));

/**
 * Return a moment of a manifest in the visitor's own time, as in "27 Nov 2025, 14:03".
 * @param {string} text
 * @returns {string}
 */
export const moment = (text) => new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** @type {(fact: [name: string, value: string]) => Fact} */
const inWords = ([name, value]) => [name, /^\d{4}-\d\d-\d\dT/.test(value) ? moment(value) : value];

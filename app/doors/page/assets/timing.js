// A search's answer → how long it took and how exact it is: a sentence, and each step on request.

import { make } from "./make.js";
import { explained, foundShare } from "./terms.js";

/** @import { Results } from "../types.js" */

// The stages of a search, by their names in its answer.
/** @type {Record<string, [name: string, meaning: string]>} */
const STAGES = {
  fetch: ["fetch", "Getting the picture from its address."],
  decode: ["decode", "Turning the file into pixels."],
  embed: ["embed", "Turning the pixels, or words, into the numbers that are compared."],
  shortlist: ["shortlist and re-rank", "Finding the candidates, the images that may be nearest, and comparing each of them in full."],
  rerank: ["compare", "Comparing the query with the images in full."],
  lookup: ["lookup", "Reading the names and places of the results."],
};

const CANDIDATES = "Images that the index holds for the nearest: only these are compared in full.";
const RECALL = "How many of the ten images that are really nearest this index finds, measured when the gallery was built: 1 is all of them.";

/** @param {Results} results */
const isOfNames = ({ hits, words }) => hits[0]?.kind === "matching" || (words === "written" && !hits.length);
/** @param {number} time */
const milliseconds = (time) => `${time.toFixed(1)} ms`;

/**
 * Return how many results there are, how long they took and how exact they are, in a sentence.
 * @param {Results} results
 * @returns {string}
 */
export function timingOf(results) {
  const { hits, timing_ms: times, candidates } = results;
  if (isOfNames(results)) return `${hits.length} of ${candidates} images in ${milliseconds(times.total)}; nothing was compared.`;
  return `${hits.length} results in ${milliseconds(times.total)}, ${exactness(results)}.`;
}

/** @param {Results} results */
function exactness({ hits, exact, approximate, candidates, recall }) {
  if (approximate) return "approximate: the gallery's vectors (its features folder) are not here";
  if (!exact) return `searched approximately (${foundShare(recall)})`;
  const missed = hits.filter((hit) => hit.missed).length;
  return `exact search of all ${candidates} images${missed ? `; ${missed} of these the index misses` : ""}`;
}

/**
 * Return each step of a search: its name, its time or number, and what it means.
 * @param {Results} results
 * @returns {[name: string, value: string, meaning: string][]}
 */
export function stepsOf(results) {
  const { timing_ms: times, exact, approximate, candidates, recall } = results;
  const stages = Object.entries(STAGES).filter(([stage]) => times[stage]);
  /** @type {ReturnType<typeof stepsOf>} */
  const steps = stages.map(([stage, [name, meaning]]) => [name, milliseconds(times[stage]), meaning]);
  if (!(exact || approximate || isOfNames(results))) {
    steps.push(["candidates", candidates.toLocaleString("en"), CANDIDATES], ["recall@10", recall.toFixed(3), RECALL]);
  }
  return steps;
}

/**
 * Show both of a search below its results.
 * @param {HTMLElement} place
 * @param {Results} results
 */
export function showTiming(place, results) {
  const details = place.querySelector("details");
  place.replaceChildren(
    make("p", { class: "timing" }, timingOf(results)),
    make("details", { open: Boolean(details?.open) }, make("summary", {}, "Details"), explained(stepsOf(results))),
  );
}

// A search's answer → the sentence above its results, and what each of them is to the query.

/** @import { Match, Results } from "../types.js" */

/**
 * Return what to know before looking at the results; "" where there is nothing.
 * @param {Pick<Results, "similar_enough" | "notes" | "verdict">} results
 * @param {number} floor the score from which an image counts as similar there
 */
export function noticeOf({ similar_enough, notes, verdict }, floor) {
  const images = verdict ? "Images" : "Nothing in this gallery is really similar: images";
  return [
    similar_enough ? "" : `${images} count as similar from a score of ${floor.toFixed(2)} on, these do not reach it. `
      + "The nearest are shown all the same.",
    ...notes,
  ].filter(Boolean).join(" ");
}

/**
 * Return what a result is to the query, and why, in words; "" for one that is similar.
 * @param {{ kind?: string, match?: Match | null }} hit
 */
export function kindOf({ kind, match }) {
  if (!kind || kind === "similar" || kind === "matching") return "";
  return [`${match?.probably ? "probably " : ""}${kind}`, match?.reason].filter(Boolean).join(": ");
}

/**
 * Return how much of both pictures shows the same, in words; "" where that is not known.
 * @param {Match | null} [match]
 */
export function overlapOf(match) {
  if (!match?.in_query.length) return "";
  return `${share(match.of_image)} of this picture, ${share(match.of_query)} of the query`;
}

/** @param {number} part */
const share = (part) => (part >= 0.995 ? "all" : `${Math.max(1, Math.round(100 * part))} %`);

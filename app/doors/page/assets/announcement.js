// A finished search → a sentence for those who do not see the page.

import { onChange, state } from "./session.js";

/** @import { Results } from "../types.js" */

/**
 * Return what is announced of an answer: the verdict, and how many results there are.
 * @param {Results} results
 * @param {number} shown
 */
export function announcementOf({ hits, verdict, candidates, listed }, shown) {
  const all = listed ? candidates : hits.length;
  const some = Math.min(shown, hits.length);
  const counted = `${all.toLocaleString("en")} ${all === 1 ? "result" : "results"}`;
  return [verdict, `${counted}${some < all ? `, ${some} are shown` : ""}.`].filter(Boolean).join(" ");
}

/** @param {{ element: HTMLElement }} part */
export function start({ element }) {
  const place = element.querySelector("[role=status]");
  /** @type {Results | null} */
  let announced = null;
  onChange(() => {
    const { results, busy, shown } = state;
    if (!place || busy || results === announced) return;
    announced = results;
    place.textContent = ""; // so that the same sentence is announced again
    if (results) requestAnimationFrame(() => { place.textContent = announcementOf(results, shown); });
  });
}

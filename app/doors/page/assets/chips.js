// What narrows the results down, or orders them, as chips over them that can be removed.

import { sortWords } from "./filters.js";
import { button, focusedIn, make } from "./make.js";
import * as session from "./session.js";

/** @import { Filters } from "../types.js" */

const { state, NO_FILTERS } = session;

/**
 * Return the words of each filter that is set, and the change that takes it away.
 * @param {Filters} filters as in the session's state
 * @param {boolean} browsing whether a gallery is shown without a query
 * @returns {{ words: string, change: Partial<Filters> }[]}
 */
export function chipsOf({ min_score, label, where, sort, hideDuplicates }, browsing) {
  /** @param {Partial<Filters>} names */
  const asUsual = ({ ...names }) => Object.fromEntries(Object.entries(NO_FILTERS).filter(([each]) => each in names));
  return [
    ...(label ? [{ words: `Label: ${label}`, change: asUsual({ label }) }] : []),
    ...where.map((each) => ({ words: each, change: { where: where.filter((other) => other !== each) } })),
    // A list of a gallery has no scores, and shows all of it.
    ...(min_score && !browsing ? [{ words: `Score ≥ ${min_score.toFixed(2)}`, change: asUsual({ min_score }) }] : []),
    ...(hideDuplicates && !browsing ? [{ words: "Near duplicates hidden", change: asUsual({ hideDuplicates }) }] : []),
    ...(sort !== NO_FILTERS.sort ? [{ words: `By ${sortWords(sort, browsing)}`, change: asUsual({ sort }) }] : []),
  ];
}

/**
 * Return the list of chips, which follows the session; `removed` is called after one was removed.
 * @param {() => void} removed
 */
export function makeChips(removed) {
  const list = make("ul", { class: "chips filters", "aria-label": "Filters and order" });
  let shown = "";
  session.onChange(() => {
    const chips = chipsOf(state.filters, state.browsing);
    const wanted = JSON.stringify(chips);
    if (wanted === shown) return;
    shown = wanted;
    const at = buttons().findIndex((each) => focusedIn(each));
    list.replaceChildren(
      ...chips.map(({ words, change }) => make("li", { class: "chip" }, words, removal(words, change))),
      ...(chips.length > 1 ? [make("li", {}, button("Clear all", clear))] : []),
    );
    // The keyboard goes on at the chip that follows, or else among the results.
    if (at >= 0) (buttons()[at] || buttons().at(-1) || currentCard())?.focus({ preventScroll: true });
  });
  return list;

  function buttons() {
    return [...list.querySelectorAll("button")];
  }

  /** @param {string} words @param {Partial<Filters>} change */
  function removal(words, change) {
    const remove = () => take(change);
    return button("✕", remove, {
      "aria-label": `Remove: ${words}`,
      onkeydown: (event) => {
        if (event.key !== "Delete" && event.key !== "Backspace") return;
        event.preventDefault();
        remove();
      },
    });
  }

  function clear() {
    take({ ...NO_FILTERS, words_weight: state.filters.words_weight });
  }

  /** @param {Partial<Filters>} change */
  function take(change) {
    session.filter(change);
    removed();
  }
}

/** @returns {HTMLElement | null} */
const currentCard = () => document.querySelector(".hit[data-current] .open") || document.querySelector(".hits");

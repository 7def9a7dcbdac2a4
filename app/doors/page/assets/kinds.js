// Pictures or texts: a way to each, where there are galleries of both.

import { button, findIn } from "./make.js";
import * as session from "./session.js";

const { state } = session;
/** @type {Record<string, string>} */
const WORDS = { picture: "Pictures", text: "Texts" };
/** @type {Record<string, string>} */
const lastOf = {}; // the gallery of each kind that was chosen last

/** @param {import("../types.js").Part} part */
export function start({ element }) {
  const place = findIn(element, ".kinds");
  session.onChange(() => {
    const usable = state.galleries.filter(({ refused }) => !refused);
    const kinds = Object.keys(WORDS).filter((kind) => usable.some(({ holds }) => holds === kind));
    const chosen = state.gallery?.holds;
    if (state.gallery && chosen) lastOf[chosen] = state.gallery.name;
    if (chosen) document.documentElement.dataset.holds = chosen;
    const wanted = `${kinds} ${chosen}`;
    if (place.dataset.shown === wanted) return;
    place.dataset.shown = wanted;
    const hadFocus = place.contains(document.activeElement);
    place.replaceChildren(...(kinds.length < 2 ? [] : kinds.map((kind) => button(
      WORDS[kind], () => chooseKind(kind), { "aria-pressed": `${kind === chosen}` },
    ))));
    if (hadFocus) findIn(place, "[aria-pressed=true]")?.focus();
  });
}

/** @param {string} kind */
function chooseKind(kind) {
  const first = state.galleries.find(({ holds, refused }) => holds === kind && !refused);
  const last = state.galleries.find(({ name, refused }) => name === lastOf[kind] && !refused);
  const wanted = last || first;
  if (!wanted || state.gallery?.holds === kind) return;
  // Nothing of the one kind is a query in the other, but words.
  session.set({ original: null, edit: null, examples: [], browsing: false, results: null });
  session.searchIn(wanted.name);
}

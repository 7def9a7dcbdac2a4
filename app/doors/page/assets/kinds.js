// Pictures or texts: a way to each, where there are galleries of both.

import { button } from "./make.js";
import * as session from "./session.js";

const { state } = session;
const WORDS = { picture: "Pictures", text: "Texts" };
const lastOf = {}; // the gallery of each kind that was chosen last

export function start({ element }) {
  const place = element.querySelector(".kinds");
  session.onChange(() => {
    const usable = state.galleries.filter(({ refused }) => !refused);
    const kinds = Object.keys(WORDS).filter((kind) => usable.some(({ holds }) => holds === kind));
    const chosen = state.gallery?.holds;
    if (chosen) lastOf[chosen] = state.gallery.name;
    const wanted = `${kinds} ${chosen}`;
    if (place.dataset.shown === wanted) return;
    place.dataset.shown = wanted;
    const hadFocus = place.contains(document.activeElement);
    place.replaceChildren(...(kinds.length < 2 ? [] : kinds.map((kind) => button(
      WORDS[kind], () => chooseKind(kind), { "aria-pressed": `${kind === chosen}` },
    ))));
    if (hadFocus) place.querySelector("[aria-pressed=true]")?.focus();
  });
}

function chooseKind(kind) {
  const first = state.galleries.find(({ holds, refused }) => holds === kind && !refused);
  const last = state.galleries.find(({ name, refused }) => name === lastOf[kind] && !refused);
  if (state.gallery?.holds !== kind) session.searchIn((last || first).name);
}

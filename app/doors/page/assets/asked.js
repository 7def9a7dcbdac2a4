// The query over its results: its words and further examples; and the strip of earlier queries.

import { button, make } from "./make.js";
import { currentKey, goToPast } from "./places.js";
import * as session from "./session.js";
import { shownSource } from "./turned.js";

/** @import { Example, Past, Reference } from "../types.js" */

const { state } = session;
let latest = 0; // the number of the last call: turning a picture takes a moment, and may be overtaken

/** @param {HTMLElement} place @param {HTMLElement} strip */
export async function showAsked(place, strip) {
  latest += 1;
  const number = latest;
  const { edit, words, examples, past } = state;
  const current = currentKey();
  const earlierOnes = edit || words ? past.filter(({ key, place: of }) => key !== current && (of.edit || of.words)) : [];
  // At once: the page scrolls to what it is over.
  place.replaceChildren(
    make(
      "ul", { class: "chips", "aria-label": "Words and further examples" },
      edit && session.asksWithText(edit) && make("li", { class: "chip" }, `Like ${edit.name}`),
      words && chipOfWords(words, edit), examples.map(chip),
    ),
  );
  const ways = await Promise.all(earlierOnes.map(earlier));
  if (number === latest) strip.replaceChildren(...ways.map((each) => make("li", {}, each)));
}

/**
 * The part that was searched with, turned and mirrored.
 * @param {Reference} edit
 * @param {string} look
 * @param {string} alt
 */
export async function thumbnailOf(edit, look, alt) {
  return make("img", { class: look, src: await shownSource(edit, { cut: true }).catch(() => edit.src), alt });
}

/** @param {string} words @param {Reference | null} edit */
function chipOfWords(words, edit) {
  return make(
    "li", { class: "chip words" }, edit ? `and “${words}”` : `“${words}”`,
    edit && state.results?.words === "meaning" && make("input", {
      type: "range", min: "0", max: "1", step: "0.1", value: `${state.filters.words_weight}`, class: "weight",
      "aria-label": "How much the words count beside the picture", title: "From the picture alone to the words alone",
      onchange: ({ target }) => session.filter({ words_weight: Number(target.value) }),
    }),
    edit && button("Only these words", session.keepWordsAlone),
    button("✕", session.dropWords, { "aria-label": `Remove the words: ${words}` }),
  );
}

/** @param {Example} example */
function chip({ id, wish, thumbnail_url, name }) {
  const words = wish === session.MORE ? "More like" : "Less like";
  return make(
    "li", { class: `chip ${wish}-like`, "data-id": id },
    make("img", { src: thumbnail_url, alt: "" }), `${words} ${name}`,
    button("✕", () => session.removeExample(id), { "aria-label": `Remove: ${words} ${name}` }),
  );
}

/** @param {Past} past */
async function earlier({ key, place: { edit, words, examples, gallery } }) {
  const away = gallery !== state.gallery?.name && `in ${gallery}`;
  if (!edit) {
    const title = [`Back to the words “${words}”`, away].filter(Boolean).join(", ");
    return make("button", { type: "button", class: "bare said", title, onclick: () => goToPast(key) }, `“${words}”`);
  }
  const more = [
    words && `and “${words}”`, edit.box && "a part", edit.turns && "rotated", edit.mirrored && "mirrored",
    examples.length && "with further examples", away,
  ].filter(Boolean);
  const name = [`Back to ${edit.name}`, ...more].join(", ");
  if (session.asksWithText(edit)) {
    return make("button", { type: "button", class: "bare said", title: name, onclick: () => goToPast(key) }, edit.name ?? "");
  }
  return make(
    "button", { type: "button", class: "bare", title: name, onclick: () => goToPast(key) },
    await thumbnailOf(edit, "", name),
  );
}

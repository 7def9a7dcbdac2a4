// What was asked: the query, its further examples, and the strip of earlier queries.

import { button, make } from "./make.js";
import { currentKey, goTo } from "./places.js";
import * as session from "./session.js";
import { shownSource } from "./turned.js";

const { state } = session;
let times = 0; // that it was begun: a turned picture takes a moment, and another may come meanwhile

export async function showAsked(place) {
  times += 1;
  const time = times;
  const { edit, examples, past } = state;
  const current = currentKey();
  const earlierOnes = edit ? past.filter(({ key }) => key !== current) : [];
  const pinned = edit ? [await thumbnailOf(edit, "pinned", `The query: ${edit.name}`)] : [];
  const strip = await Promise.all(earlierOnes.map(earlier));
  if (time !== times) return;
  place.replaceChildren(
    ...pinned,
    make("ul", { class: "chips", "aria-label": "Further examples" }, examples.map(chip)),
    make("ul", { class: "past", "aria-label": "Earlier queries" }, strip.map((each) => make("li", {}, each))),
  );
}

// The part that was searched with, turned as it was.
async function thumbnailOf(edit, look, alt) {
  return make("img", { class: look, src: await shownSource(edit, { cut: true }).catch(() => edit.src), alt });
}

function chip({ id, weight, thumbnail, name }) {
  const words = weight > 0 ? "More like" : "Less like";
  return make(
    "li", { class: `chip ${weight > 0 ? "more-like" : "less-like"}`, "data-id": id },
    make("img", { src: thumbnail, alt: "" }), `${words} ${name}`,
    button("✕", () => session.removeExample(id), { "aria-label": `Remove: ${words} ${name}` }),
  );
}

async function earlier({ place }) {
  const { edit, examples, gallery } = place;
  const more = [
    edit.box && "a part", edit.turns && "turned", edit.mirrored && "flipped", examples.length && "with further examples",
    gallery !== state.gallery?.name && `in ${gallery}`,
  ].filter(Boolean);
  const name = ["Back to " + edit.name, ...more].join(", ");
  return make(
    "button", { type: "button", class: "bare", title: name, onclick: () => goTo(place, { isNew: true }) },
    await thumbnailOf(edit, "", name),
  );
}

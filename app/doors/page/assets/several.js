// Several galleries at once: more of the chosen one's model, ticked; and why others are not possible.

import { putBeside } from "./beside.js";
import { allIn, button, focusedIn, make } from "./make.js";
import * as session from "./session.js";

/** @import { Gallery } from "../types.js" */

const { state } = session;
/** @param {string} name */
const isSeveral = (name) => name.includes(",");

/**
 * Return what can be searched beside a gallery, and what cannot.
 * @param {Gallery[]} galleries all there are, and those that are searched together: all of each model
 * @param {string} chosen its name, or those of several with commas between them
 * @returns {{ together: Gallery[], apart: Gallery[] }} single galleries, the chosen ones among the first
 */
export function mates(galleries, chosen) {
  const [first] = chosen.split(",");
  const group = galleries.find(({ name }) => isSeveral(name) && name.split(",").includes(first));
  const names = group ? group.name.split(",") : [first];
  const what = galleries.find(({ name }) => name === first)?.holds;
  const single = galleries.filter(({ name, holds, refused }) => !isSeveral(name) && holds === what && !refused);
  return {
    together: single.filter(({ name }) => names.includes(name)),
    apart: single.filter(({ name }) => !names.includes(name)),
  };
}

/**
 * Return the name of several galleries as one, after one was ticked or unticked: the first stays the
 * first, and all of a model are called as the list calls them.
 * @param {Gallery[]} galleries
 * @param {string} chosen the name of those chosen
 * @param {string} name
 */
export function toggled(galleries, chosen, name) {
  const { together } = mates(galleries, chosen);
  const before = chosen.split(",").filter((each) => together.some((one) => one.name === each)); // a link may name others
  const names = before.includes(name) && before.length > 1 ? before.filter((each) => each !== name) : [...new Set([...before, name])];
  /** @param {string[]} each */
  const isSame = (each) => each.length === names.length && each.every((one) => names.includes(one));
  return galleries.find((each) => isSame(each.name.split(",")))?.name || names.join();
}

/** Return the choice, which is empty where there is one gallery. */
export function makeSeveral() {
  const place = make("div", { class: "several" });
  const fields = make("div", { class: "fields" });
  const summary = make("summary");
  const made = make("details", {}, summary, fields);
  let shown = "";
  session.onChange(() => {
    const { gallery, galleries, beside } = state;
    if (!gallery || (!gallery.refused && gallery.images === undefined)) return; // its facts are on their way
    const { together, apart } = mates(galleries, gallery.name);
    const chosen = gallery.name.split(",");
    const wanted = JSON.stringify([chosen, beside, ...[together, apart].map((some) => some.map(({ name, images }) => [name, images]))]);
    if (wanted === shown) return;
    shown = wanted;
    /** @type {HTMLInputElement | null} */
    const focused = focusedIn(fields);
    const held = focused?.value;
    place.replaceChildren(...(together.length + apart.length > 1 ? [made] : []));
    summary.textContent = chosen.length > 1 ? `${chosen.length} galleries are searched: ${chosen.join(", ")}` : "Search more galleries too";
    fields.replaceChildren(
      ...together.map((each) => choice(each, chosen)),
      ...(apart.length ? [make("p", {}, `Scores of another model, or of other components, mean something else than those of ${chosen[0]}: these can be shown beside it.`)] : []),
      ...apart.map(apartOf),
    );
    /** @type {HTMLInputElement[]} */
    const all = allIn(fields, "input, button");
    if (held) all.find(({ value }) => value === held)?.focus();
  });
  return place;
}

/** @param {Gallery} gallery @param {string[]} chosen */
function choice({ name, images }, chosen) {
  const isOn = chosen.includes(name);
  return make("label", {}, make("input", {
    type: "checkbox", value: name, checked: isOn, disabled: isOn && chosen.length === 1,
    onchange: () => session.searchIn(toggled(state.galleries, state.gallery?.name ?? name, name)),
  }), ` ${name}, ${images.toLocaleString("en")}`);
}

/** @param {Gallery} gallery */
function apartOf({ name, model }) {
  return make("div", { class: "apart" }, make("label", {}, make("input", { type: "checkbox", disabled: true }), ` ${name}, ${model}`),
    button("Side by side", () => putBeside(state.beside === name ? "" : name), { value: name, "aria-label": `Side by side with ${name}`, "aria-pressed": `${state.beside === name}` }));
}

// Browsing a gallery: all of it without a query, and what its images differ in, to choose from.

import { button, make } from "./make.js";
import { isOpen, onPanels, toggle } from "./panels.js";
import * as session from "./session.js";
import { makeCompareWith } from "./side_by_side.js";

/** @import { Facet } from "../types.js" */

const { state } = session;
const SHOWN = 8; // values of a column, the rest in a list

export function makeBrowse() {
  const place = make("div", { class: "browse" });
  const sheet = make("div", { class: "values" });
  const facets = make("details", { class: "facets" }, make("summary", {}, "Narrow down"), sheet);
  const all = button("", () => session.browse(), { class: "all" });
  let shown = "";
  facets.addEventListener("toggle", () => show(true));
  const options = button("Options", () => toggle("options"), { class: "options", "aria-controls": "how" });
  onPanels(() => options.setAttribute("aria-expanded", `${isOpen("options")}`));
  place.append(all, options, makeCompareWith(), facets);
  session.onChange(() => {
    const { gallery, browsing } = state;
    const isUsable = Boolean(gallery && !gallery.refused && gallery.images);
    all.hidden = !isUsable || browsing;
    facets.hidden = !isUsable;
    const things = gallery?.holds === "text" ? "texts" : "images";
    all.textContent = `Browse all ${(gallery?.images || 0).toLocaleString("en")} ${things}`;
    show(false);
  });
  return place;

  /** @param {boolean} isToggled */
  async function show(isToggled) {
    if (!facets.open || facets.hidden) return;
    const wanted = JSON.stringify([state.gallery?.name, state.gallery?.changed, state.filters.where]);
    if (wanted === shown && !isToggled) return;
    shown = wanted;
    const found = await session.readFacets();
    if (shown !== wanted) return;
    if (!found) {
      facets.open = false; // opened again, it asks again
      return;
    }
    const groups = found.map(group);
    sheet.replaceChildren(...(groups.length ? groups : [make("p", {}, "Its images differ in nothing that is known of them.")]));
  }
}

/** @param {Facet} facet */
function group({ column, values, of }) {
  const chosen = state.filters.where.find((each) => each.startsWith(`${column}=`));
  const rest = values.slice(SHOWN);
  return make(
    "section", { "aria-label": column },
    make("h3", {}, column),
    make("ul", {}, values.slice(0, SHOWN).map(([value, count]) => make("li", {}, button(
      `${value} ${count.toLocaleString("en")}`, () => choose(column, value),
      { "aria-pressed": `${chosen === `${column}=${value}`}` },
    )))),
    rest.length > 0 && make(
      "select", { "aria-label": `Others of ${column}`, onchange: ({ target }) => choose(column, target.value) },
      make("option", { value: "" }, `${(of - SHOWN).toLocaleString("en")} others`),
      rest.map(([value, count]) => make("option", { value, selected: chosen === `${column}=${value}` }, `${value} (${count})`)),
    ),
  );
}

/**
 * Show the images alone that have this value; all again where it is chosen already.
 * @param {string} column
 * @param {string | number} value
 */
function choose(column, value) {
  const condition = `${column}=${value}`;
  const { where } = state.filters;
  const others = where.filter((each) => !each.startsWith(`${column}=`));
  const wanted = value === "" || where.includes(condition) ? others : [...others, condition];
  if (session.isAsked()) session.filterWhere(wanted);
  else session.browse(wanted);
}

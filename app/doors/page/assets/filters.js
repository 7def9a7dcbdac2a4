// What is left of the results, in which order: chosen by a visitor. Another label is asked of the
// server, which looks among all of its images; the rest needs no answer.

import { make } from "./make.js";
import * as session from "./session.js";

const { state } = session;
export const NONE = { least: 0, label: "", sort: "score", hideDuplicates: false };

// What the filters leave of the results, in the order that is asked for.
export function chosenHits() {
  const { least, sort, hideDuplicates } = state.filters;
  const hits = (state.results?.hits || []).filter((hit) => (!least || hit.score >= least)
    && !(hideDuplicates && hit.duplicateOf));
  return sort === "name"
    ? [...hits].sort((one, other) => session.nameOf(one).localeCompare(session.nameOf(other))
      || one.rank - other.rank)
    : hits;
}

export function showToolbar(place) {
  const { hits, nearest } = state.results;
  const { filters } = state;
  const known = nearest.labels.some(([label]) => label === filters.label);
  const labels = filters.label && !known ? [...nearest.labels, [filters.label, 0]] : nearest.labels;
  const controls = () => [...place.querySelectorAll("input, select")];
  const held = controls().indexOf(document.activeElement);
  const copies = hits.filter(({ duplicateOf }) => duplicateOf).length;
  const least = make("output", {}, filters.least.toFixed(2));
  place.replaceChildren(
    make("label", {}, "Least score ", make("input", {
      type: "range", min: "0", max: "1", step: "0.01", value: `${filters.least}`, "aria-label": "Least score",
      oninput: ({ target }) => {
        least.textContent = Number(target.value).toFixed(2);
        session.set({ filters: { ...state.filters, least: Number(target.value) } });
      },
      onchange: () => session.keepPlace(false), // not at each step: browsers allow only so many
    }), least),
    make("label", {}, "Label ", select(
      "Label", [["", `all (${nearest.images})`], ...labels.map(([label, count]) => [label, `${label} (${count})`])],
      filters.label, (label) => filter({ label }),
    )),
    make("label", {}, "Sort by ", select(
      "Sort by", [["score", "score"], ["name", "name"]], filters.sort, (sort) => filter({ sort }),
    )),
    make("label", {}, make("input", {
      type: "checkbox", checked: filters.hideDuplicates,
      onchange: ({ target }) => filter({ hideDuplicates: target.checked }),
    }), ` Hide near duplicates (${copies})`),
  );
  if (held >= 0) controls()[held].focus({ preventScroll: true });
}

function select(name, options, value, onChange) {
  const made = make(
    "select", { "aria-label": name, onchange: () => onChange(made.value) },
    options.map(([each, text]) => make("option", { value: each, selected: each === value }, text)),
  );
  return made;
}

export function filter(change) {
  const { label } = state.filters;
  session.set({ filters: { ...state.filters, ...change } });
  session.keepPlace(false);
  if (state.filters.label !== label) session.askAgain({ keep: false });
}

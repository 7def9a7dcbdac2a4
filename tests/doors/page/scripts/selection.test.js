// Which images are selected: ranges, the order of what is saved, and how many are not shown.

import assert from "node:assert/strict";
import { test } from "node:test";

import { chipsOf } from "../../../../app/doors/page/assets/chips.js";
import { countOf, pathsOf } from "../../../../app/doors/page/assets/selection_bar.js";
import * as selection from "../../../../app/doors/page/assets/selection.js";
import { NO_FILTERS } from "../../../../app/doors/page/assets/session.js";
import { placeFrom } from "../../../../app/doors/page/assets/walk.js";

const HITS = ["a", "b", "c", "d", "e"].map((id) => ({ id, gallery: "mine", path: `${id}.jpg`, source: 0 }));
const ids = () => selection.selectedHits().map(({ id }) => id);

test("a range goes from the last click up to the next, in either direction, and can shrink again", () => {
  selection.clearSelection();
  selection.toggle(HITS[2]);
  selection.extend(HITS, HITS[4]);
  assert.deepEqual(ids(), ["c", "d", "e"]);
  selection.extend(HITS, HITS[1]);
  assert.deepEqual(ids().toSorted(), ["b", "c"]);
  selection.toggle(HITS[4]);
  selection.extend(HITS, HITS[3]);
  assert.deepEqual(ids().toSorted(), ["b", "c", "d", "e"]);
});

test("the keyboard's range begins where the keyboard is", () => {
  selection.clearSelection();
  selection.toggle(HITS[0]);
  selection.extend(HITS, HITS[3], HITS[2]); // it had moved there without selecting
  assert.deepEqual(ids(), ["a", "c", "d"]);
  selection.extend(HITS, HITS[2], HITS[3]);
  assert.deepEqual(ids(), ["a", "c"]);
});

test("a range whose beginning is not shown any more is the image that was clicked", () => {
  selection.clearSelection();
  selection.toggle(HITS[0]);
  selection.extend(HITS.slice(2), HITS[4]);
  assert.deepEqual(ids(), ["a", "e"]);
});

test("what is selected is toggled, selected whole, dropped with its image, and cleared", () => {
  selection.clearSelection();
  selection.toggle(HITS[0]);
  selection.toggle(HITS[0]);
  assert.equal(selection.selectedCount(), 0);
  selection.selectAll(HITS);
  assert.equal(selection.selectedCount(), 5);
  selection.dropSelected("other", ["a"]);
  selection.dropSelected("mine", ["b", "c"]);
  assert.deepEqual(ids(), ["a", "d", "e"]);
  let told = 0;
  selection.onSelection(() => { told += 1; });
  selection.clearSelection();
  selection.clearSelection();
  assert.equal(told, 2); // at once, and for what changed
});

test("images are saved in the order in which they are shown, those that are not at the end", () => {
  const [a, b, c, d] = HITS;
  assert.deepEqual(selection.inShownOrder([a, b, d, c], [d, c, b]).map(({ id }) => id), ["d", "c", "b", "a"]);
});

test("it is said how many are selected, and how many of them are not shown", () => {
  assert.equal(countOf([], HITS), "");
  assert.equal(countOf(HITS.slice(0, 3), HITS), "3 selected");
  assert.equal(countOf(HITS, HITS.slice(1)), "5 selected, 1 of them not shown");
});

test("paths are whole where the folder is known", () => {
  const galleries = [{ name: "mine", sources: ["/home/me"] }];
  const other = { gallery: "other", path: "x.jpg", source: 0 };
  assert.equal(pathsOf([HITS[0], other], galleries), "/home/me/a.jpg\nx.jpg\n");
});

test("keys lead from place to place in a grid, and into a last row that is short", () => {
  const of = (at, key) => placeFrom(at, key, 8, 3); // 3, 3, 2
  assert.deepEqual(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].map((key) => of(4, key)), [3, 5, 1, 7]);
  assert.equal(of(5, "ArrowDown"), 7);
  assert.deepEqual([of(6, "ArrowDown"), of(0, "ArrowUp"), of(0, "ArrowLeft"), of(7, "ArrowRight"), of(1, "x")], Array(5).fill(undefined));
  assert.deepEqual([of(4, "Home"), of(4, "End")], [0, 7]);
});

test("every filter that is set is a chip, and its change takes that one away", () => {
  const filters = { ...NO_FILTERS, min_score: 0.5, label: "cat", where: ["width>9", "year>2015"], sort: "bytes", hideDuplicates: true };
  const chips = chipsOf(filters, false);
  assert.deepEqual(chips.map(({ words }) => words), [
    "Label: cat", "width>9", "year>2015", "Score ≥ 0.50", "Near duplicates hidden", "By size, largest first",
  ]);
  const left = chips.map(({ change }) => chipsOf({ ...filters, ...change }, false).map(({ words }) => words));
  chips.forEach(({ words }, at) => { assert.ok(!left[at].includes(words) && left[at].length === 5, words); });
  assert.deepEqual(chipsOf(NO_FILTERS, false), []);
});

test("a gallery that is browsed has no chips of what does nothing there", () => {
  const filters = { ...NO_FILTERS, min_score: 0.5, hideDuplicates: true, sort: "score" };
  assert.deepEqual(chipsOf(filters, true), []);
});

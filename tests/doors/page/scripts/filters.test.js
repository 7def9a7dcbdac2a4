// Which results the filters leave, in which order, and which labels there are to choose from.

import assert from "node:assert/strict";
import { test } from "node:test";

import { filtered, inOrder, labelOptions } from "../../../../app/doors/page/assets/filters.js";
import { NO_FILTERS } from "../../../../app/doors/page/assets/session.js";

const hit = (rank, score, labels, duplicate_of = null) => ({ rank, score, labels, path: `${rank}.jpg`, duplicate_of });
const HITS = [hit(1, 0.9, ["dog"]), hit(2, 0.5, ["Cat"], 1), hit(3, 0.2, ["ant", "bee"]), hit(4, -0.1, [])];
const ranks = (filters) => filtered(HITS, { ...NO_FILTERS, ...filters }).map(({ rank }) => rank);

test("without filters every result is there, best first", () => {
  assert.deepEqual(ranks({}), [1, 2, 3, 4]);
});

test("the least score leaves the results that reach it", () => {
  assert.deepEqual(ranks({ min_score: 0.5 }), [1, 2]);
  assert.deepEqual(ranks({ min_score: 0.99 }), []);
  const itself = [hit(1, 0.9999998807907104, [])]; // the query's own file, rounded
  assert.deepEqual(filtered(itself, { ...NO_FILTERS, min_score: 1 }), itself);
});

test("near duplicates of better results can be hidden", () => {
  assert.deepEqual(ranks({ hideDuplicates: true }), [1, 3, 4]);
});

test("the best of near duplicates is left, whatever its rank, and another where it is not shown", () => {
  const twins = [hit(1, 0.9, [], 2), hit(2, 0.8, [])];
  const left = (filters) => filtered(twins, { ...NO_FILTERS, hideDuplicates: true, ...filters });
  assert.deepEqual(left({}).map(({ rank }) => rank), [2]);
  assert.deepEqual(left({ min_score: 0.85 }).map(({ rank }) => rank), [1]);
});

test("sorted by name, results are in the order of their files, and equal names by rank", () => {
  const named = ["b/2.jpg", "a/3.jpg", "c/1.jpg"].map((path, at) => ({ ...hit(at + 1, 0.5, ["x"]), path }));
  assert.deepEqual(inOrder(named, "name").map(({ rank }) => rank), [3, 1, 2]);
  const twins = [1, 2].map((rank) => ({ ...hit(rank, 0.8, ["x"]), path: `${rank}/same.jpg` }));
  assert.deepEqual(inOrder(twins, "name"), twins);
});

test("filters and orders leave the results themselves as they are", () => {
  inOrder(filtered(HITS, NO_FILTERS), "name");
  assert.deepEqual(HITS.map(({ rank }) => rank), [1, 2, 3, 4]);
});

test("labels are offered with their counts, and a link's label although nothing of it was found", () => {
  const nearest = { images: 3, labels: [["cat", 2], ["dog", 1]] };
  const options = [["", "all (3)"], ["cat", "cat (2)"], ["dog", "dog (1)"]];
  assert.deepEqual(labelOptions(nearest, ""), options);
  assert.deepEqual(labelOptions(nearest, "dog"), options);
  assert.deepEqual(labelOptions(nearest, "ant"), [...options, ["ant", "ant (0)"]]);
});

// What is outlined: the place of the hit that is pointed at, or else of the first source.

import assert from "node:assert/strict";
import { test } from "node:test";

import { outlinedHit, regionInImage, regionInQuery } from "../../../../app/doors/page/assets/outlines.js";

const CORNERS = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]];
const PART = { of_query: 0.5, of_image: 1, in_query: CORNERS, in_image: [[0, 0], [1, 0], [1, 1], [0, 1]] };
const SIMILAR = { kind: "similar", match: null };
const SCENE = { kind: "same scene", match: PART };
const [COPY, OTHER] = [{ kind: "edited copy", match: PART }, { kind: "same picture", match: PART }];
const results = { hits: [SCENE, SIMILAR, COPY, OTHER] };

test("the first source is outlined, until another match is pointed at", () => {
  assert.equal(outlinedHit({ results, pointed: null }), COPY);
  assert.equal(outlinedHit({ results, pointed: OTHER }), OTHER);
  assert.equal(outlinedHit({ results, pointed: SCENE }), SCENE);
  assert.equal(outlinedHit({ results, pointed: SIMILAR }), COPY);
});

test("without a source, an answer or a settled query nothing is outlined", () => {
  assert.equal(outlinedHit({ results: { hits: [SCENE, SIMILAR] }, pointed: null }), null);
  assert.equal(outlinedHit({ results: null, pointed: COPY }), null);
  assert.equal(outlinedHit({ results, pointed: null, busy: true }), null);
});

test("a place is that of the searched part in the whole picture", () => {
  assert.deepEqual(regionInQuery(PART, null), CORNERS);
  assert.deepEqual(regionInQuery(PART, [0.5, 0.2, 1, 0.7]), [[0.5, 0.2], [0.75, 0.2], [0.75, 0.7], [0.5, 0.7]]);
});

test("a whole picture is not framed", () => {
  assert.deepEqual(regionInImage(PART), []);
  assert.deepEqual(regionInQuery({ ...PART, of_query: 0.98 }, null), []);
  assert.deepEqual(regionInQuery(null, null), []);
});

// The sentences about a search: whether anything is similar, and what each result is to the query.

import assert from "node:assert/strict";
import { test } from "node:test";

import { kindOf, noticeOf, overlapOf } from "../../../../app/doors/page/assets/summary.js";

test("nothing is said where results are similar and there is no note", () => {
  assert.equal(noticeOf({ similar_enough: true, notes: [] }, null), "");
});

test("a query unlike everything is reported with the score that would be similar, and the notes", () => {
  const notice = noticeOf({ similar_enough: false, notes: ["A note."] }, 0.704);
  assert.match(notice, /really similar.* 0\.70 .*A note\.$/);
});

test("under a verdict that says so, only the scores are left to say", () => {
  const notice = noticeOf({ similar_enough: false, notes: [], verdict: "Nothing like it here." }, 0.704);
  assert.doesNotMatch(notice, /Nothing/);
  assert.match(notice, /^Images count as similar from a score of 0\.70 on, /);
});

test("a hit is called what it is, with the reason, and a similar one nothing", () => {
  assert.equal(kindOf({ kind: "similar", match: null }), "");
  assert.equal(kindOf({ kind: "unlike", match: null }), "unlike");
  assert.equal(kindOf({ kind: "same file", match: { reason: "" } }), "same file");
  assert.equal(
    kindOf({ kind: "edited copy", match: { reason: "cropped to 37 %, mirrored", probably: true } }),
    "probably edited copy: cropped to 37 %, mirrored",
  );
});

test("the overlap is told of both pictures, where pixels were compared", () => {
  assert.equal(overlapOf(null), "");
  assert.equal(overlapOf({ in_query: [], of_query: 1, of_image: 1 }), "");
  assert.equal(
    overlapOf({ in_query: [[0, 0]], of_query: 0.998, of_image: 0.371 }),
    "37 % of this picture, all of the query",
  );
});

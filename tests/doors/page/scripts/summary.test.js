// The sentences about a search: whether anything is similar, how long it took, how exact it is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { kindOf, noticeOf, overlapOf, timingOf } from "../../../../app/doors/page/assets/summary.js";

const TIMES = { fetch: 0, decode: 0, embed: 12.345, shortlist: 0.31, rerank: 0, lookup: 1, total: 20 };
const ANSWER = {
  hits: [{ missed: false }, { missed: true }], timing_ms: TIMES,
  exact: false, approximate: false, candidates: 500, recall: 0.98765,
};

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

test("each stage that ran is listed, shortlist and re-ranking as the one that they are", () => {
  assert.equal(
    timingOf(ANSWER),
    "2 results in 20.0 ms (embed 12.3 ms, shortlist and re-rank 0.3 ms, lookup 1.0 ms); "
    + "500 candidates compared exactly; recall@10 of this index 0.988.",
  );
  assert.doesNotMatch(timingOf({ ...ANSWER, timing_ms: { ...TIMES, shortlist: 0 } }), /rank/);
});

test("an exact search says so, and how many results the index misses", () => {
  assert.match(timingOf({ ...ANSWER, exact: true }), /exact search of all 500 images; 1 of these the index misses\.$/);
  assert.match(timingOf({ ...ANSWER, exact: true, hits: [] }), /exact search of all 500 images\.$/);
});

test("approximate scores are called so", () => {
  assert.match(timingOf({ ...ANSWER, approximate: true }), /; approximate: /);
});

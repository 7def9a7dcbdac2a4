// How long a search took and how exact it is, and a gallery's facts: plain at first, each term explained.

import assert from "node:assert/strict";
import { test } from "node:test";

import { stateOf } from "../../../../app/doors/page/assets/gallery_row.js";
import { foundShare, remarksOf, sightOf } from "../../../../app/doors/page/assets/terms.js";
import { stepsOf, timingOf } from "../../../../app/doors/page/assets/timing.js";

const TIMES = { fetch: 0, decode: 0, embed: 12.345, shortlist: 0.31, rerank: 0, lookup: 1, total: 20 };
const ANSWER = {
  hits: [{ missed: false }, { missed: true }], timing_ms: TIMES,
  exact: false, approximate: false, candidates: 500, recall: 0.98765,
};
const JARGON = /recall|candidate|cell|probe|IVF|PQ|re-rank|shortlist/i;

test("the sentence below the results has no jargon in it", () => {
  assert.equal(timingOf(ANSWER), "2 results in 20.0 ms, searched approximately (99 % of the nearest found).");
  for (const each of [{}, { exact: true }, { approximate: true }]) assert.doesNotMatch(timingOf({ ...ANSWER, ...each }), JARGON);
});

test("each stage that ran is listed with a sentence, shortlist and re-ranking as the one that they are", () => {
  assert.deepEqual(stepsOf(ANSWER).map(([name, value]) => [name, value]), [
    ["embed", "12.3 ms"], ["shortlist and re-rank", "0.3 ms"], ["lookup", "1.0 ms"], ["candidates", "500"], ["recall@10", "0.988"],
  ]);
  for (const [, , meaning] of stepsOf(ANSWER)) assert.match(meaning, /^[A-Z].{20,}\.$/);
  assert.doesNotMatch(JSON.stringify(stepsOf({ ...ANSWER, exact: true, timing_ms: { ...TIMES, shortlist: 0 } })), /rank|recall/);
});

test("an exact search says so, and how many results the index misses", () => {
  assert.match(timingOf({ ...ANSWER, exact: true }), /exact search of all 500 images; 1 of these the index misses\.$/);
  assert.match(timingOf({ ...ANSWER, exact: true, hits: [] }), /exact search of all 500 images\.$/);
});

test("approximate scores are called so", () => {
  assert.match(timingOf({ ...ANSWER, approximate: true }), /, approximate: /);
});

test("a search by names compares nothing", () => {
  const named = { ...ANSWER, hits: [{ kind: "matching" }] };
  assert.equal(timingOf(named), "1 of 500 images in 20.0 ms; nothing was compared.");
  assert.doesNotMatch(JSON.stringify(stepsOf(named)), /recall/);
});

test("a gallery's first line says how many it has and how much of what is near a search finds", () => {
  const gallery = { images: 9144, index: "IVF100,PQ8", recall_reranked: 0.983 };
  assert.equal(sightOf(gallery), "9,144 images, searched approximately (98 % of the nearest found)");
  assert.equal(sightOf({ ...gallery, index: "Flat", recall_reranked: 1, images: 1 }), "1 image, searched exactly");
  assert.match(sightOf({ ...gallery, holds: "text" }), /^9,144 texts/);
  assert.equal(foundShare(0.9999), "99 % of the nearest found"); // not all of them
  assert.equal(foundShare(1), "all of the nearest found");
});

test("what does not work with a gallery is a remark", () => {
  assert.deepEqual(remarksOf({ uploads_off: "", approximate: false, pictures_missing: "" }), []);
  assert.equal(remarksOf({ uploads_off: "No.", approximate: true, pictures_missing: "Gone." }).length, 3);
});

test("a gallery is up to date, or says what an update would find", () => {
  assert.equal(stateOf({ new: 0, changed: 0, gone: 0 }), "Up to date.");
  assert.equal(stateOf({ new: 3, changed: 0, gone: 1200 }), "Not up to date: 3 new, 1,200 gone in its folder.");
  assert.match(stateOf(null), /not made of a folder/);
});

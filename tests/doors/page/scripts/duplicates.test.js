// Near duplicates in the page: sentences, rows to save, and the list after a decision.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  afterDecision, COLUMNS, differentIn, factsOf, findingWords, foundWords, roleOf, rowsOf,
} from "../../../../app/doors/page/assets/duplicate_lists.js";
import { tableOf } from "../../../../app/doors/page/assets/export.js";

const image = (id, more = {}) => ({
  id, path: `pets/${id}.jpg`, source: 0, width: 300, height: 200, bytes: 12_345, sha256: `sha${id}`, changed: 0, ...more,
});
const other = (id, of, match = {}, more = {}) => image(id, {
  kind: "edited copy", of, match: { reason: "cropped to 37 %", score: 0.5, probably: false, ...match }, ...more,
});
const group = (id, ...others) => ({ kind: "edited copy", best: image(id), others: others.length ? others : [other(id + 1, id)] });

test("a search's progress says what is compared, and how far it is", () => {
  assert.equal(findingWords({ stage: "", done: 0, total: 0 }), "Starting …");
  assert.equal(findingWords({ stage: "near", done: 0, total: 0 }), "Comparing vectors …");
  assert.equal(findingWords({ stage: "pairs", done: 1200, total: 3400 }), "Comparing pictures: 1,200 of 3,400");
});

test("what was found is one sentence, with what is left out", () => {
  const found = { images: 1366, groups: [{}], groups_found: 1, others_found: 1, others_bytes: 800_000, apart: 0 };
  assert.equal(foundWords(found, false), "1 group among 1,366 images: 1 shows the picture of a better one (0.8 MB).");
  assert.equal(
    foundWords({ ...found, groups_found: 2, others_found: 3, apart: 1 }, true),
    "2 groups among 1,366 images: 3 show the picture of a better one (0.8 MB). The first 1 are listed. 1 pair is kept apart.",
  );
  const nothing = { ...found, groups: [], groups_found: 0, apart: 2 };
  assert.equal(foundWords(nothing, false), "No two of 1,366 images show one picture. 2 pairs are kept apart.");
  assert.equal(foundWords({ ...nothing, apart: 0 }, true), "None of these kinds among 1,366 images.");
});

test("an image's facts are its pixels, bytes and date, as far as they are known", () => {
  const moment = new Date(2026, 10, 27, 12).getTime() / 1000;
  assert.equal(factsOf(image(1, { changed: moment })).replaceAll("\u00a0", " "), "300 × 200, 13 kB, 27 Nov 2026");
  assert.equal(factsOf(image(1, { width: 0, bytes: 0 })), "");
});

test("each image says what it is to the best, and through which one it came to it", () => {
  const direct = other(2, 1, { probably: true });
  const through = other(3, 2, { reason: "" }, { kind: "same picture" });
  const found = group(1, direct, through);
  assert.deepEqual([found.best, direct, through].map((each) => roleOf(each, found)), [
    "best", "probably edited copy: cropped to 37 %", "same picture, of pets/2.jpg",
  ]);
});

test("a decision is on one image of each content", () => {
  const copies = group(1, other(2, 1, {}, { sha256: "sha1" }), other(3, 1), other(4, 1, {}, { sha256: "" }));
  assert.deepEqual(differentIn(copies), [1, 3, 4]);
});

test("a decision takes the place of its group, and undone the group takes it again", () => {
  const groups = [group(10), group(20), group(30)];
  const kept = { kept: true, ids: [20, 21], words: "" };
  const after = afterDecision(groups, [groups[0], groups[2]], groups[1], kept);
  assert.deepEqual(after, [groups[0], kept, groups[2]]);
  assert.deepEqual(afterDecision(after, groups, kept), groups);
});

test("what a decision leaves of a group follows its line, and other groups are as they are now", () => {
  const groups = [group(10), group(20), group(30)];
  const kept = { kept: true, ids: [20, 21], words: "" };
  const [left, smaller] = [group(20, other(22, 20)), group(30, other(33, 30))];
  assert.deepEqual(afterDecision(groups, [left, smaller], groups[1], kept), [kept, left, smaller]);
});

test("rows are those of the command line's table, of all images or of those chosen", () => {
  const found = [group(1, other(2, 1, {}, { path: "=a,b.jpg" })), group(5)];
  const table = (chosen) => tableOf([COLUMNS, ...rowsOf(found, new Set(chosen)).map(Object.values)]).split("\r\n");
  assert.deepEqual(table([]).slice(0, 3), [
    "group,kind,reason,score,of,id,path,source,width,height,bytes,sha256",
    "1,best,,,,1,pets/1.jpg,0,300,200,12345,sha1",
    "1,edited copy,cropped to 37 %,0.5,1,2,\"'=a,b.jpg\",0,300,200,12345,sha2",
  ]);
  assert.equal(table([]).length, 6);
  assert.deepEqual(rowsOf(found, new Set(["6"])).map(({ group: number, id }) => [number, id]), [[2, 6]]);
});

// Results → JSON and CSV: complete, readable again, and harmless to a spreadsheet.

import assert from "node:assert/strict";
import { test } from "node:test";

import { csvOf, exportContactSheet, jsonOf } from "../../../../app/doors/page/assets/export.js";
import { state } from "../../../../app/doors/page/assets/session.js";

const HIT = {
  rank: 1, score: -0.25, kind: "edited copy", match: { reason: "mirrored" }, id: "a,b", path: "=cats/\"one\".jpg", labels: ["cat", "pet"],
  width: 64, height: 48, bytes: 999, places: [{ id: 3, path: "pets/one.jpg", labels: [] }, { id: 9, path: "=x", labels: [] }], gallery: "album", thumbnail_url: "t",
};
const ANSWER = { gallery: "album", verdict: "Found.", exact: true, approximate: false, candidates: 60, recall: 1, hits: [HIT] };

test("a CSV has a line of names and one a result, with what RFC 4180 asks for", () => {
  assert.equal(
    csvOf([HIT, { ...HIT, kind: "similar", match: null, rank: 2, id: 7, path: "two\nlines", labels: [], places: [] }]),
    "rank,score,kind,reason,gallery,id,path,labels,width,height,bytes,places\r\n"
    + "1,-0.25,edited copy,mirrored,album,\"a,b\",\"'=cats/\"\"one\"\".jpg\",cat; pet,64,48,999,pets/one.jpg; =x\r\n"
    + "2,-0.25,similar,,album,7,\"two\nlines\",,64,48,999,\r\n",
  );
});

test("no text in a CSV is a formula to a spreadsheet, and numbers stay numbers", () => {
  for (const text of ["=1", "+1", "-1", "@a", "\t1"]) {
    const [, line] = csvOf([{ ...HIT, path: text, labels: [text], places: [{ path: text }] }]).split("\r\n");
    assert.equal(line, `1,-0.25,edited copy,mirrored,album,"a,b",'${text},'${text},64,48,999,'${text}`);
  }
});

test("a JSON says what was searched and how, and holds the results", () => {
  const query = { kind: "file", path: "/tmp/secret", name: "cat.jpg", url: "http://x", box: [0, 0, 1, 0.5] };
  const { results, ...rest } = jsonOf(ANSWER, 0.7, { query, words: "in snow" }, ANSWER.hits);
  assert.deepEqual(rest, {
    gallery: "album", query: { name: "cat.jpg", url: "http://x", id: undefined, box: [0, 0, 1, 0.5], words: "in snow" },
    verdict: "Found.", exact: true, approximate: false, candidates: 60, recall: 1, floor: 0.7,
  });
  assert.deepEqual(Object.keys(results[0]), [
    "rank", "score", "kind", "reason", "gallery", "id", "path", "labels", "width", "height", "bytes", "places",
  ]);
  assert.deepEqual(results[0].places, ["pets/one.jpg", "=x"]);
});

test("approximate scores are compared with no floor", () => {
  assert.equal(jsonOf({ ...ANSWER, approximate: true }, 0.7, {}, []).floor, null);
});

test("a contact sheet that is larger than the browser can hold is told", async () => {
  const canvas = { width: 0, height: 0, append() {}, getContext: () => ({ fillRect() {} }), toBlob: (tell) => tell(null) };
  globalThis.document = { createElement: () => canvas };
  await exportContactSheet([]);
  delete globalThis.document;
  assert.match(state.message, /too many for one contact sheet/);
});

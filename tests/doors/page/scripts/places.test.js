// The ways back: which queries are the same one, and what the strip of earlier ones keeps.

import assert from "node:assert/strict";
import { test } from "node:test";

import { keyOf, pastWith } from "../../../../app/doors/page/assets/places.js";

const EDIT = { kind: "file", path: "/a", src: "/src", name: "a" };
const place = (edit, more = {}) => ({ edit: { ...EDIT, ...edit }, examples: [], gallery: "album", ...more });

test("copies of one photograph or address are the same query, two uploads are two", () => {
  const same = (one, other) => keyOf(place(one)) === keyOf(place(other));
  assert.ok(same({ photograph: "coffee", path: "/1" }, { photograph: "coffee", path: "/2" }));
  assert.ok(same({ url: "http://x", path: "/1" }, { url: "http://x", path: "/2" }));
  assert.ok(!same({ path: "/1" }, { path: "/2" }));
  assert.ok(same({}, { turns: 0, mirrored: false, box: null, src: "/other" }));
});

test("an edit, an example and another gallery make another query", () => {
  const keys = [
    place({}), place({ turns: 1 }), place({ mirrored: true }), place({ box: [0, 0, 1, 0.5] }),
    place({}, { examples: [{ id: 3, wish: "more" }] }), place({}, { examples: [{ id: 3, wish: "less" }] }),
    place({}, { gallery: "other" }), { edit: null, examples: [], gallery: "album" },
  ].map(keyOf);
  assert.equal(new Set(keys).size, keys.length);
});

test("a query that comes again moves to the front of the strip", () => {
  let past = [];
  for (const path of ["/1", "/2", "/1"]) past = pastWith(past, place({ path }), true);
  assert.deepEqual(past.map((each) => each.place.edit.path), ["/1", "/2"]);
});

test("the strip keeps the last twenty queries", () => {
  let past = [];
  for (let number = 0; number < 25; number += 1) past = pastWith(past, place({ path: `/${number}` }), true);
  assert.equal(past.length, 20);
  assert.equal(past[0].place.edit.path, "/24");
});

test("filters chosen later belong to the query they were chosen for", () => {
  const before = pastWith(pastWith([], place({ path: "/1" }), true), place({ path: "/2" }), true);
  const filters = { label: "cat" };
  const past = pastWith(before, place({ path: "/1" }, { filters }), false);
  assert.deepEqual(past.map((each) => [each.place.edit.path, each.place.filters]), [["/2", undefined], ["/1", filters]]);
});

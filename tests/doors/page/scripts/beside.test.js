// Two galleries beside each other: what the second is asked, what both have found, what is offered.

import assert from "node:assert/strict";
import { test } from "node:test";

import { comparable, inBoth, placeThere, ranksOf, requestBeside } from "../../../../app/doors/page/assets/beside.js";
import { connect, LESS, MORE, NO_FILTERS, set, state } from "../../../../app/doors/page/assets/session.js";

const hit = (rank, sha256, path = `${rank}.jpg`) => ({ rank, sha256, path });
const gallery = (name, more = {}) => ({ name, model: "m", images: 60, holds: "picture", refused: "", sources: ["/a"], data: name, title: "", ...more });
connect({ ask: () => ({ message: "not asked here" }) }, {});
const CONTROLS = { k: 10, exact: false, leave_out_same_file: true };

test("one file is one result on both sides, whatever it is called there", () => {
  assert.equal(inBoth([hit(1, "a"), hit(2, "b")], [hit(1, "c"), hit(2, "a", "elsewhere.jpg")]), "1 of 2 in both");
  assert.equal(inBoth([hit(1, "", "x.jpg")], [hit(1, "", "x.jpg")]), "1 of 1 in both");
  assert.equal(inBoth([hit(1, "a")], [hit(1, "b"), hit(2, "a")]), "1 of 1 and 2 in both");
  assert.equal(inBoth([], []), "0 of 0 in both");
});

test("a result has its best rank on the other side, or is only on its own", () => {
  const there = ranksOf([hit(1, "b"), hit(2, "a"), hit(3, "a")]);
  assert.equal(placeThere(hit(9, "a"), there), "no. 2 there");
  assert.equal(placeThere(hit(1, "z"), there), "only here");
});

test("the second side is asked the same, with further examples as pictures", () => {
  const example = { gallery: "album", id: 3, wish: MORE };
  const upload = { id: "/x", wish: LESS, reference: { kind: "file", path: "/x" } };
  const filters = { ...NO_FILTERS, label: "cat", where: ["width>9"] };
  set({ gallery: gallery("album"), controls: CONTROLS, filters, beside: "other", examples: [example, upload], words: "", edit: { kind: "image", id: 7, gallery: "album", box: [0, 0, 1, 0.5] } });
  const request = requestBeside(state);
  assert.deepEqual(request, {
    gallery: "other", query: state.edit, words: "", exact: false, leave_out_same_file: true, label: "cat", where: ["width>9"],
    more: [{ kind: "image", gallery: "album", id: 3 }], less: [{ kind: "file", path: "/x" }],
  });
  set({ beside: "album" });
  const same = requestBeside(state);
  assert.deepEqual([same.gallery, same.exact, same.more], ["album", true, [3]]);
});

test("those of the same pictures are offered first, then an exact search, then others", () => {
  const all = [
    gallery("album"), gallery("far", { sources: ["/b"], images: 1234 }), gallery("clip", { model: "clip" }), gallery("texts", { holds: "text" }),
    gallery("broken", { refused: "It is damaged." }),
  ];
  assert.deepEqual(comparable(all, all[0], false), [
    ["clip", "clip: clip, same folder, 60 images"], ["album", "This one, by exact search"],
    ["far", "far: m, other source, 1,234 images"],
  ]);
  assert.deepEqual(comparable(all, all[0], true).map(([name]) => name), ["clip", "far"]);
  const sets = [gallery("a", { sources: [], data: "caltech" }), gallery("b", { sources: [], data: "caltech" })];
  assert.match(comparable(sets, sets[0], true)[0][1], /same data set/);
});

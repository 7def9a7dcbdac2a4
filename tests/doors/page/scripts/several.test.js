// Several galleries at once: which go together, and what those are called that were ticked.

import assert from "node:assert/strict";
import { test } from "node:test";

import { mates, toggled } from "../../../../app/doors/page/assets/several.js";

const gallery = (name, more = {}) => ({ name, holds: "picture", refused: "", ...more });
const GALLERIES = [
  gallery("a"), gallery("b"), gallery("c"), gallery("clip"), gallery("broken", { refused: "It is damaged." }),
  gallery("texts", { holds: "text" }), gallery("a,b,c"),
];
const names = ({ together, apart }) => [together, apart].map((each) => each.map(({ name }) => name));

test("galleries of one model go together, those of another do not", () => {
  assert.deepEqual(names(mates(GALLERIES, "b")), [["a", "b", "c"], ["clip"]]);
  assert.deepEqual(names(mates(GALLERIES, "c,a")), [["a", "b", "c"], ["clip"]]);
  assert.deepEqual(names(mates(GALLERIES, "clip")), [["clip"], ["a", "b", "c"]]);
});

test("the first stays the first, and all of a model have the name of the list", () => {
  assert.equal(toggled(GALLERIES, "c", "a"), "c,a");
  assert.equal(toggled(GALLERIES, "c,a", "b"), "a,b,c");
  assert.equal(toggled(GALLERIES, "c,a", "a"), "c");
  assert.equal(toggled(GALLERIES, "a,b,c", "a"), "b,c");
  assert.equal(toggled(GALLERIES, "a", "a"), "a");
  assert.equal(toggled(GALLERIES, "a,clip", "a"), "a"); // a link may name what does not go together
});

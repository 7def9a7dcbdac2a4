// The rectangle on a picture: it stays on it, however it is drawn, moved, resized or turned.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  LEAST, STEP, dragged, mirrored, moved, orNone, steered, turned,
} from "../../../../app/doors/page/assets/rectangle.js";

const SIDES = [0.2, 0.3, 0.6, 0.7];

function assertNear(actual, expected) {
  actual.forEach((value, at) => { assert.ok(Math.abs(value - expected[at]) < 1e-9, `${actual} is not ${expected}`); });
}

test("a rectangle is drawn in any direction", () => {
  const drawn = (from, to) => dragged({ side: "draw", from, sides: null }, to);
  assert.deepEqual(drawn([0.1, 0.2], [0.5, 0.6]), [0.1, 0.2, 0.5, 0.6]);
  assert.deepEqual(drawn([0.5, 0.6], [0.1, 0.2]), [0.1, 0.2, 0.5, 0.6]);
});

test("a rectangle that is hardly larger than a point is a click", () => {
  assert.equal(orNone([0.5, 0.5, 0.49 + LEAST, 0.9]), null);
  assert.equal(orNone([0.5, 0.5, 0.9, 0.51]), null);
  assert.equal(orNone(null), null);
  assert.equal(orNone(SIDES), SIDES);
});

test("a rectangle is moved as far as the picture goes", () => {
  assertNear(dragged({ side: "move", from: [0.4, 0.5], sides: SIDES }, [0.5, 0.4]), [0.3, 0.2, 0.7, 0.6]);
  assertNear(moved(SIDES, 1, 1), [0.6, 0.6, 1, 1]);
  assertNear(moved(SIDES, -1, -1), [0, 0, 0.4, 0.4]);
});

test("a handle moves its own sides, and never past the others", () => {
  const resized = (side, to) => dragged({ side, from: [0, 0], sides: SIDES }, to);
  assert.deepEqual(resized("nw", [0.1, 0.1]), [0.1, 0.1, 0.6, 0.7]);
  assert.deepEqual(resized("e", [0.9, 0]), [0.2, 0.3, 0.9, 0.7]);
  assertNear(resized("nw", [0.9, 0.9]), [0.6 - LEAST, 0.7 - LEAST, 0.6, 0.7]);
  assertNear(resized("se", [0, 0]), [0.2, 0.3, 0.2 + LEAST, 0.3 + LEAST]);
});

test("arrows move the rectangle, with Shift they resize it, other keys do nothing", () => {
  assertNear(steered(SIDES, { key: "ArrowLeft" }), [0.2 - STEP, 0.3, 0.6 - STEP, 0.7]);
  assertNear(steered(SIDES, { key: "ArrowUp", shiftKey: true }), [0.2, 0.3, 0.6, 0.7 - STEP]);
  assertNear(steered([0, 0, 1, 1], { key: "ArrowDown", shiftKey: true }), [0, 0, 1, 1]);
  assert.equal(steered(SIDES, { key: "a" }), null);
});

test("a rectangle stays on the same part of a picture that is turned or mirrored", () => {
  assertNear(turned([0, 0, 0.25, 0.5]), [0.5, 0, 1, 0.25]); // top left → top right
  assertNear(mirrored([0, 0, 0.25, 0.5]), [0.75, 0, 1, 0.5]);
  assertNear([1, 2, 3, 4].reduce(turned, SIDES), SIDES);
  assertNear(mirrored(mirrored(SIDES)), SIDES);
});

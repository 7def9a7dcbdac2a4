// Two pictures at one zoom: they never leave their frames, and what is pointed at stays there.

import assert from "node:assert/strict";
import { test } from "node:test";

import { movedView, zoomedView } from "../../../../app/doors/page/assets/compare.js";

const WHOLE = { zoom: 1, x: 0, y: 0 };

test("a whole picture cannot be moved, a zoomed one as far as it fills its frame", () => {
  const { x, y } = movedView(WHOLE, 0.5, -0.5);
  assert.deepEqual([Math.abs(x), Math.abs(y)], [0, 0]);
  assert.deepEqual(movedView({ zoom: 3, x: 0, y: 0 }, 0.25, -9), { zoom: 3, x: 0.25, y: -1 });
});

test("a picture that reaches out of its frame is moved and made smaller to its ends", () => {
  assert.deepEqual(movedView(WHOLE, 9, -9, 3), { zoom: 1, x: 1, y: -1 });
  assert.deepEqual(zoomedView({ zoom: 1, x: 1, y: 1 }, 0.01, [0, 0], 4), { zoom: 0.25, x: 0, y: 0 });
});

test("zooming stops at the whole picture and at sixteen times", () => {
  assert.equal(zoomedView(WHOLE, 0.5).zoom, 1);
  assert.equal(zoomedView(WHOLE, 100).zoom, 16);
});

test("what is under the pointer stays under it", () => {
  const at = [0.3, -0.2];
  const view = zoomedView({ zoom: 2, x: 0.1, y: 0.1 }, 1.5, at);
  // A point of the picture lies at x + zoom × its place in it.
  const pictured = [(at[0] - 0.1) / 2, (at[1] - 0.1) / 2];
  assert.ok(Math.abs(view.x + view.zoom * pictured[0] - at[0]) < 1e-9);
  assert.ok(Math.abs(view.y + view.zoom * pictured[1] - at[1]) < 1e-9);
});

// A picture that is zoomed never leaves its frame, and what is pointed at stays there.

import assert from "node:assert/strict";
import { test } from "node:test";

import { movedView, pinchedView, swipeOf, zoomedView } from "../../../../app/doors/page/assets/zoom.js";

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

test("what lies under two fingers stays under them, when they part and when they move together", () => {
  const frame = { left: 100, top: 50, width: 400, height: 200 };
  const before = [[200, 150], [300, 150]];
  const apart = pinchedView(WHOLE, before, [[150, 150], [350, 150]], frame);
  assert.equal(apart.zoom, 2);
  assert.ok(Math.abs(apart.x - 0.125) < 1e-9); // it was at -0.125, and lies there still
  assert.deepEqual(pinchedView({ zoom: 2, x: 0, y: 0 }, before, [[250, 175], [350, 175]], frame), { zoom: 2, x: 0.125, y: 0.125 });
  assert.equal(pinchedView(apart, before, [[249, 150], [251, 150]], frame).zoom, 1);
  assert.equal(pinchedView(WHOLE, [[200, 150], [200, 150]], before, frame).zoom, 16); // on one place: no division by 0
});

test("a finger goes on only where it was moved far, and across", () => {
  assert.deepEqual([swipeOf(-80, 20), swipeOf(80, -20)], [1, -1]);
  assert.deepEqual([swipeOf(-30, 0), swipeOf(-80, 70), swipeOf(0, 200)], [0, 0, 0]);
});

// A rectangle on a picture, [left, top, right, bottom] as fractions of its sides → the same one
// drawn, moved, resized, turned or mirrored.

/** @import { Box } from "../types.js" */
/** @typedef {{ side: string, from: number[], sides: Box | null }} Drag */

export const LEAST = 0.02; // of a side: anything smaller is a click
export const STEP = 0.01; // by an arrow key
export const MIDDLE = [0.25, 0.25, 0.75, 0.75]; // where the keyboard begins

/** @param {number} value */
export const within = (value, least = 0, most = 1) => Math.min(most, Math.max(least, value));

/** @type {Record<string, number[]>} */
const DIRECTIONS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

/**
 * Return the rectangle, or null if it is too small to be meant as one.
 * @param {Box | null} sides
 */
export const orNone = (sides) => (
  sides && sides[2] - sides[0] > LEAST && sides[3] - sides[1] > LEAST ? sides : null
);

/**
 * Return the rectangle that a drag makes, by where it began: outside ("draw"), inside ("move") or
 * on the handle of a side or corner ("n", "nw", …).
 * @param {Drag} drag
 * @param {number[]} to
 * @returns {Box}
 */
export function dragged({ side, from: [fromX, fromY], sides }, [x, y]) {
  if (side === "draw" || !sides) return [Math.min(x, fromX), Math.min(y, fromY), Math.max(x, fromX), Math.max(y, fromY)];
  if (side === "move") return moved(sides, x - fromX, y - fromY);
  const [left, top, right, bottom] = sides;
  return [
    side.includes("w") ? within(x, 0, right - LEAST) : left,
    side.includes("n") ? within(y, 0, bottom - LEAST) : top,
    side.includes("e") ? within(x, left + LEAST, 1) : right,
    side.includes("s") ? within(y, top + LEAST, 1) : bottom,
  ];
}

/**
 * Return the rectangle moved by an arrow key, or with Shift resized; null for any other key.
 * @param {Box} sides
 * @param {{ key: string, shiftKey: boolean }} event
 * @returns {Box | null}
 */
export function steered(sides, { key, shiftKey }) {
  if (!DIRECTIONS[key]) return null;
  const [dx, dy] = DIRECTIONS[key];
  if (!shiftKey) return moved(sides, dx, dy);
  const [left, top, right, bottom] = sides;
  return [left, top, within(right + dx, left + 2 * LEAST, 1), within(bottom + dy, top + 2 * LEAST, 1)];
}

/**
 * Return the rectangle moved, as far as it stays on the picture.
 * @param {Box} sides
 * @param {number} dx
 * @param {number} dy
 */
export function moved([left, top, right, bottom], dx, dy) {
  const x = within(dx, -left, 1 - right);
  const y = within(dy, -top, 1 - bottom);
  return [left + x, top + y, right + x, bottom + y];
}

/** @type {(sides: Box) => Box} The same part of the picture after a quarter turn clockwise. */
export const turned = ([left, top, right, bottom]) => [1 - bottom, left, 1 - top, right];
/** @type {(sides: Box) => Box} */
export const mirrored = ([left, top, right, bottom]) => [1 - right, top, 1 - left, bottom];

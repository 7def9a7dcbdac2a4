// A picture as its edits show it: turned, mirrored and cut in the browser, only to be looked at; the
// server does the same to the file itself.

import { makeCanvas, pngOf } from "./canvas.js";

/** @import { Box, Reference } from "../types.js" */

/** @type {Map<string, string>} */
const made = new Map(); // key → object URL

/** @param {Partial<Reference>} picture */
export async function shownSource({ src, turns = 0, mirrored = false, box = null }, { cut = false } = {}) {
  const part = cut && box;
  if (!src || (!turns && !mirrored && !part)) return src;
  const key = JSON.stringify([src, turns, mirrored, part]);
  if (!made.has(key)) made.set(key, await draw(src, turns, mirrored, part || [0, 0, 1, 1]));
  return made.get(key);
}

/** @param {string} src @param {number} turns @param {boolean} mirrored @param {Box} part */
async function draw(src, turns, mirrored, [left, top, right, bottom]) {
  const image = new Image();
  image.src = src;
  await image.decode();
  const { naturalWidth, naturalHeight } = image;
  const [width, height] = turns % 2 === 1 ? [naturalHeight, naturalWidth] : [naturalWidth, naturalHeight];
  const { canvas, context } = makeCanvas(
    Math.max(1, Math.round((right - left) * width)), Math.max(1, Math.round((bottom - top) * height)),
  );
  context.translate((0.5 - left) * width, (0.5 - top) * height);
  if (mirrored) context.scale(-1, 1); // after the turn, as on the server
  context.rotate((turns * Math.PI) / 2);
  context.drawImage(image, -naturalWidth / 2, -naturalHeight / 2);
  return URL.createObjectURL(await pngOf(canvas));
}

// Pixels that are drawn here → a picture's file.

import { make } from "./make.js";

/** @param {number} width @param {number} height */
export function makeCanvas(width, height) {
  const canvas = make("canvas", { width, height });
  return { canvas, context: /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")) };
}

/**
 * Return what was drawn as PNG; an error where it is larger than the browser can hold.
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
export const pngOf = (canvas) => new Promise((resolve, reject) => {
  canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("too large a picture"))), "image/png");
});

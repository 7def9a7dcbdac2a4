// A picture as its edits show it: turned and mirrored in the browser, for the eye only; the server
// does the same to the file itself.

const made = new Map(); // key → object URL

export async function shownSource({ src, turns = 0, mirrored = false }) {
  if (!turns && !mirrored) return src;
  const key = JSON.stringify([src, turns, mirrored]);
  if (!made.has(key)) made.set(key, await turn(src, turns, mirrored));
  return made.get(key);
}

async function turn(src, turns, mirrored) {
  const image = new Image();
  image.src = src;
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  const canvas = document.createElement("canvas");
  const lying = turns % 2 === 1;
  canvas.width = lying ? height : width;
  canvas.height = lying ? width : height;
  const context = canvas.getContext("2d");
  context.translate(canvas.width / 2, canvas.height / 2);
  if (mirrored) context.scale(-1, 1); // after the turn, as on the server
  context.rotate((turns * Math.PI) / 2);
  context.drawImage(image, -width / 2, -height / 2);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return URL.createObjectURL(blob);
}

// The same part of the picture after one more quarter turn clockwise, or after mirroring.
export const turnedBox = ([left, top, right, bottom]) => [1 - bottom, left, 1 - top, right];
export const mirroredBox = ([left, top, right, bottom]) => [1 - right, top, 1 - left, bottom];

// Of several files one is searched with, and the others are named.

import assert from "node:assert/strict";
import { test } from "node:test";

import { filesOf, leftOut, pictureAmong } from "../../../../app/doors/page/assets/dropped.js";

const file = (name, type = "image/jpeg") => ({ name, type });
const CAT = file("cat.jpg"), DOG = file("dog.jpg"), PDF = file("a.pdf", "application/pdf");
const HEIC = file("a.heic", ""), FILM = file("a.mp4", "video/mp4");

for (const [what, files, expected] of [
  ["the first picture", [PDF, CAT, DOG], CAT],
  ["one of which the browser knows no type", [FILM, HEIC, CAT], HEIC],
  ["the first of all, so that it is named, where none is a picture", [PDF, FILM], PDF],
]) test(`${what} is taken`, () => assert.equal(pictureAmong(files), expected));

for (const [files, expected] of [
  [[CAT], ""],
  [[CAT, DOG], "Searched with cat.jpg; dog.jpg was left out: one picture at a time."],
  [[PDF, CAT, DOG, FILM], "Searched with cat.jpg; a.pdf and 2 more were left out: one picture at a time."],
]) test(`${files.length} files: "${expected}"`, () => assert.equal(leftOut(files, CAT), expected));

test("a long name is shortened", () => {
  const said = leftOut([CAT, file(`${"x".repeat(200)}.png`)], CAT);
  assert.ok(said.length < 120 && said.includes("…xxxx.png"));
});

test("folders are told from files", () => {
  const item = (entry, own) => ({ kind: "file", webkitGetAsEntry: () => entry, getAsFile: () => own });
  const folder = item({ isDirectory: true }, file("holiday", "")), picture = item({ isDirectory: false }, CAT);
  const text = { kind: "string" };
  assert.deepEqual(filesOf({ items: [folder, text], files: [folder.getAsFile()] }), { files: [], folders: 1 });
  assert.deepEqual(filesOf({ items: [folder, picture], files: [] }), { files: [CAT], folders: 1 });
  assert.deepEqual(filesOf({ items: [picture], files: [CAT] }), { files: [CAT], folders: 0 });
  assert.deepEqual(filesOf({ files: [CAT, DOG] }), { files: [CAT, DOG], folders: 0 });
});

// Of several files the pictures are searched with, and the others are named.

import assert from "node:assert/strict";
import { test } from "node:test";

import { filesOf, leftOut, MOST_PICTURES, picturesAmong } from "../../../../app/doors/page/assets/dropped.js";

const file = (name, type = "image/jpeg") => ({ name, type });
const CAT = file("cat.jpg"), DOG = file("dog.jpg"), PDF = file("a.pdf", "application/pdf");
const HEIC = file("a.heic", ""), FILM = file("a.mp4", "video/mp4");

const RAW = file("a.DNG", "application/octet-stream"), SVG = file("logo.svg", "image/svg+xml");
const MAKE = file("Makefile", ""), ACCEPTED = "image/*,.tif,.heic,.dng";

for (const [what, files, expected] of [
  ["each picture", [PDF, CAT, DOG], [CAT, DOG]],
  ["one whose suffix is known, though its type is not, too,", [FILM, HEIC, CAT], [HEIC, CAT]],
  ["a camera's raw file", [PDF, RAW, FILM], [RAW]],
  ["a picture, before a file of which nothing is known", [MAKE, CAT], [CAT]],
  ["a picture, before a drawing without pixels", [SVG, CAT], [CAT]],
  ["a file of which nothing is known, before one that is none", [PDF, MAKE], [MAKE]],
  ["the first of all, so that it is named, where none is a picture", [PDF, FILM], [PDF]],
  ["no more than ten", Array(12).fill(CAT), Array(MOST_PICTURES).fill(CAT)],
]) test(`${what} is taken`, () => assert.deepEqual(picturesAmong(files, ACCEPTED), expected));

for (const [files, folders, expected] of [
  [[CAT], 0, ""],
  [[CAT, DOG], 0, "dog.jpg was left out: pictures are searched with, up to 10 at a time."],
  [[PDF, CAT, DOG, FILM], 0, "a.pdf and 2 more were left out: pictures are searched with, up to 10 at a time."],
  [[CAT], 1, "a folder was left out: pictures are searched with, up to 10 at a time."],
  [[CAT, DOG], 2, "dog.jpg and 2 more were left out: pictures are searched with, up to 10 at a time."],
]) test(`${files.length} files, ${folders} folders: "${expected}"`, () => {
  assert.equal(leftOut(files, [CAT], folders), expected);
});

test("a long name is shortened", () => {
  const said = leftOut([CAT, file(`${"x".repeat(200)}.png`)], [CAT]);
  assert.ok(said.length < 140 && said.includes("…xxxx.png"));
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

// What is known of an image, in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { metadataRows, momentInWords, sizeInWords, wholePath } from "../../../../app/doors/page/assets/image_facts.js";

const shown = (metadata) => Object.fromEntries(metadataRows(metadata).map(({ name, value }) => [name, value]));

test("what a camera has written is read in its order, with its units", () => {
  const rows = metadataRows({
    rating: 4, aperture: 2.8, exposure: 0.004, focal_length: 50, iso: 200, latitude: -33.8568, longitude: 151.2153,
    lens: "50mm f/1.8", camera: "NIKON D90", taken: "2021-05-03T14:07:09+02:00", shelf_mark: "A_7",
  });
  assert.deepEqual(rows.map(({ name, value }) => [name, value]), [
    ["Taken", "3 May 2021, 14:07 (UTC+02:00)"], ["Place", "33.8568° S, 151.2153° E"], ["Camera", "NIKON D90"], ["Lens", "50mm f/1.8"], ["ISO", "200"],
    ["Focal length", "50 mm"], ["Exposure", "1/250 s"], ["Aperture", "f/2.8"], ["Rating", "4 of 5"],
    ["Shelf mark", "A_7"],
  ]);
  assert.equal(rows.find(({ name }) => name === "Place").copied, "-33.8568, 151.2153");
});

test("a column of a table that is called like one of a camera's keeps its own values", () => {
  assert.deepEqual(shown({ rating: 87, exposure: "long", latitude: 4, aperture: 0 }), {
    Rating: "87", Exposure: "long", Latitude: "4", Aperture: "0",
  });
  assert.deepEqual(shown({ exposure: 2.5 }), { Exposure: "2.5 s" });
});

test("a moment is what the clock showed there, and what is none stays as it is", () => {
  assert.equal(momentInWords("2021-05-03"), "3 May 2021");
  assert.equal(momentInWords("2021-05-03T23:59:59"), "3 May 2021, 23:59");
  assert.equal(momentInWords("2021-05-03T23:59:59Z"), "3 May 2021, 23:59 (UTC)");
  for (const text of ["2021", "2021-13-45", "May", "2021-05-03 and later", ""]) assert.equal(momentInWords(text), text);
});

test("a size has pixels and bytes, as far as they are known", () => {
  assert.equal(sizeInWords({ width: 300, height: 200, bytes: 12_345 }), "300 × 200 pixels, 12.3 kB");
  assert.equal(sizeInWords({ width: 4000, height: 3000, bytes: 3_400_000 }), "4000 × 3000 pixels, 3.4 MB");
  assert.match(sizeInWords({ width: 0, height: 0, bytes: 0 }), /not known/);
});

test("a path is whole where its folder is known", () => {
  const sources = ["/home/me/pictures", "C:\\pictures", "/"];
  const at = (source) => wholePath({ source, path: "a.jpg" }, sources);
  assert.deepEqual([0, 1, 2, -1, 7].map(at), ["/home/me/pictures/a.jpg", "C:\\pictures\\a.jpg", "/a.jpg", "a.jpg", "a.jpg"]);
});

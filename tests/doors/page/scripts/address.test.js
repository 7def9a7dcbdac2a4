// What is shown ↔ its link: nothing of an upload in it, nonsense left out, older links still read.

import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, inLink, readAddress } from "../../../../app/doors/page/assets/address.js";
import { LESS, MORE, NO_FILTERS } from "../../../../app/doors/page/assets/session.js";

const CONTROLS = { k: 10, exact: false, leave_out_same_file: false };
const PLACE = { edit: null, examples: [], controls: CONTROLS, filters: NO_FILTERS, gallery: "album" };
const IMAGE = { kind: "image", gallery: "album", id: 7, box: null, turns: 0, mirrored: false };
const UPLOAD = { kind: "file", path: "/tmp/secret.jpg", name: "secret.jpg", box: [0, 0, 0.5, 0.5], turns: 1 };

const link = (change) => addressOf({ ...PLACE, ...change }, "");

test("a link holds the query, its edits, its examples and all that was chosen", () => {
  const place = {
    words: "red car & snow", browsing: false, beside: "album-clip",
    edit: { ...IMAGE, gallery: "other", box: [0.12345, 0, 0.5, 1], turns: 3, mirrored: true },
    examples: [{ id: 3, wish: MORE }, { id: "a,b", wish: MORE }, { id: 9, wish: LESS }],
    controls: { k: 25, exact: true, leave_out_same_file: true },
    filters: { min_score: 0.25, label: "<b>&cats", where: ["width>=8", "a=b,c"], sort: "name", hideDuplicates: true, words_weight: 0.7 },
  };
  assert.deepEqual(new URLSearchParams(link(place)).getAll("where"), ["width>=8", "a=b,c"]);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(link(place))), {
    gallery: "album", beside: "album-clip", words: "red car & snow", image: "7", from: "other", box: "0.1235,0,0.5,1", turns: "3", mirrored: "1",
    more: "3,a%2Cb", less: "9", k: "25", exact: "1", leave_out_same_file: "1",
    min_score: "0.25", label: "<b>&cats", where: "a=b,c", sort: "name", hide: "1", words_weight: "0.7",
  });
  assert.deepEqual(readAddress(link(place)), {
    gallery: "album", beside: "album-clip",
    query: { kind: "image", gallery: "other", id: "7", box: [0.1235, 0, 0.5, 1], turns: 3, mirrored: true },
    words: place.words, browsing: false,
    examples: place.examples,
    controls: place.controls,
    filters: place.filters,
  });
});

test("what is as it always is makes a link no longer", () => {
  assert.equal(link({}), "?gallery=album");
  assert.equal(link({ edit: IMAGE }), "?gallery=album&image=7");
});

for (const [name, edit, query] of [
  ["photograph", { kind: "file", path: "/x", photograph: "coffee" }, { kind: "photograph", name: "coffee" }],
  ["address", { kind: "file", path: "/x", url: "http://a/b?c=d&e" }, { kind: "url", url: "http://a/b?c=d&e" }],
]) {
  test(`the link of a ${name} names it, not the copy on the server`, () => {
    assert.ok(inLink(edit));
    assert.ok(!link({ edit }).includes("%2Fx"));
    assert.deepEqual(readAddress(link({ edit })).query, { ...query, box: null, turns: 0, mirrored: false });
  });
}

test("examples alone are a query, which a link holds", () => {
  const address = link({ edit: null, examples: [{ id: 3, wish: MORE }, { id: 4, wish: MORE }] });
  assert.equal(address, "?gallery=album&more=3%2C4");
  assert.deepEqual(readAddress(address).examples, [{ id: 3, wish: MORE }, { id: 4, wish: MORE }]);
});

test("an uploaded picture is never put into a link, nor its edits and examples", () => {
  assert.ok(!inLink(UPLOAD));
  const examples = [{ id: 3, wish: MORE }];
  assert.equal(link({ edit: UPLOAD, examples, controls: { ...CONTROLS, k: 12 } }), "?gallery=album&k=12");
});

test("where pictures were taken stays out of links", () => {
  const where = ["latitude>=48", " Longitude=2..3", "taken=2021"];
  assert.equal(link({ filters: { ...NO_FILTERS, where } }), "?gallery=album&where=taken%3D2021");
});

test("words alone are in a link, and none beside a picture that is in none", () => {
  assert.equal(link({ words: "red car" }), "?gallery=album&words=red+car");
  assert.deepEqual(readAddress("?words=red+car").words, "red car");
  assert.equal(link({ edit: UPLOAD, words: "red car" }), "?gallery=album");
});

test("Gradio's own theme stays in the address", () => {
  assert.equal(addressOf(PLACE, "?k=5&__theme=dark"), "?gallery=album&__theme=dark");
});

test("a link without an answer to it leaves everything as it is", () => {
  for (const address of ["", "?", "?a=b&&%%%&=", "?turns=2&box=0,0,1,1"]) {
    assert.deepEqual(readAddress(address), {
      gallery: null, query: null, words: "", browsing: false, beside: "", examples: [], controls: CONTROLS, filters: NO_FILTERS,
    });
  }
});

test("numbers that make no sense are left out of a link", () => {
  const { query, controls, filters } = readAddress(
    "?image=3&turns=9&mirrored=no&k=1000000000&exact=yes&min_score=-4&sort=x&label=&hide=2",
  );
  assert.deepEqual(query, { kind: "image", id: "3", box: null, turns: 0, mirrored: false });
  assert.deepEqual(controls, CONTROLS);
  assert.deepEqual(filters, NO_FILTERS);
  assert.equal(readAddress("?k=7.4").controls.k, 7);
  for (const k of ["0", "101", "x", "NaN", "-1"]) assert.equal(readAddress(`?k=${k}`).controls.k, 10);
});

test("a box is handed on as numbers, for the server to refuse nonsense", () => {
  assert.deepEqual(readAddress("?image=3&box=NaN,0,1").query.box, [NaN, 0, 1]);
});

test("an image is a further example once, and ids that cannot be decoded are left out", () => {
  assert.deepEqual(readAddress("?more=7&less=7,9").examples, [{ id: 7, wish: LESS }, { id: 9, wish: LESS }]);
  assert.deepEqual(readAddress("?more=,%25zz,a%252Cb").examples, [{ id: "a,b", wish: MORE }]);
});

test("the names of older links are still read", () => {
  const { controls, filters } = readAddress("?without=1&least=0.4");
  assert.equal(controls.leave_out_same_file, true);
  assert.equal(filters.min_score, 0.4);
});

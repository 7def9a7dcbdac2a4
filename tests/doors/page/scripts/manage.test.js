// A gallery that is managed: how a change ended in words, and what of the page follows it.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import * as changes from "../../../../app/doors/page/assets/changes.js";
import { requestAddition } from "../../../../app/doors/page/assets/create_upload.js";
import { changesOf } from "../../../../app/doors/page/assets/manage_outcome.js";
import { presentPlace, remember, renamedPlace } from "../../../../app/doors/page/assets/renamed.js";
import * as session from "../../../../app/doors/page/assets/session.js";

const { state } = session;
const facts = (name) => ({ name, images: 60, refused: "" });
const image = (id, gallery = "album") => ({
  kind: "image", id, gallery, labels: ["cat"], path: `${id}.jpg`, src: `galleries/${gallery}/images/${id}/image`,
  thumbnail_url: `galleries/${gallery}/images/${id}/thumbnail`,
});

let names = []; // of the galleries that the server has
let removed = []; // ids
let asked = [];
const server = {
  open: () => (names.length ? { galleries: names.map(facts), photographs: [] } : { message: "There is no gallery yet." }),
  gallery: ({ gallery }) => (
    names.includes(gallery) ? { gallery: facts(gallery), examples: [image(50)] } : { message: "There is no gallery." }
  ),
  ask: ({ gallery, query }) => {
    asked.push(gallery);
    if (removed.includes(query.id)) return { message: "It was removed." };
    return { query, results: { gallery, hits: [image(1), image(2)] } };
  },
};

beforeEach(() => {
  [names, removed, asked] = [["album", "other"], [], []];
  session.connect(server, { controls: () => {}, galleryNames: () => {}, noAddress: () => {} });
  session.set({
    galleries: names.map(facts), gallery: facts("album"), original: image(7), edit: image(7), message: "", busy: false,
    examples: [{ ...image(3), wish: session.MORE }], drawn: [image(4)],
    results: { gallery: "album", hits: [image(1), image(2), image(3)] }, filters: session.NO_FILTERS,
    past: [{ place: { gallery: "album", edit: image(1), examples: [] }, key: "old" }],
  });
});

// --- in words ------------------------------------------------------------------------------------

test("an update is told in numbers, without those that are nothing", () => {
  const report = { added: 3, changed: 1, moved: 2, removed: 4, unchanged: 501, skipped: 2 };
  assert.equal(changesOf(report), "3 added, 1 changed, 2 moved, 4 removed, 501 unchanged; 2 files skipped");
  assert.equal(changesOf({ ...report, changed: 0, moved: 0, unchanged: 1501, skipped: 1 }), "3 added, 4 removed, 1,501 unchanged; 1 file skipped");
  assert.equal(changesOf({ added: 0, changed: 0, moved: 0, removed: 0, unchanged: 7, skipped: 0 }), "nothing new, 7 unchanged");
});

test("an addition is told in numbers, too", () => {
  assert.equal(changesOf({ added: 1, replaced: 2, known: 3, skipped: 0 }), "1 added, 2 replaced, 3 there already");
  assert.equal(changesOf({ added: 0, replaced: 0, known: 0, skipped: 1 }), "nothing new; 1 file skipped");
});

// --- uploads for a gallery that is there ---------------------------------------------------------

async function add(files, answers = {}) {
  const requests = [];
  const message = await requestAddition({ gallery: "album", files }, {
    ask: (name, body) => {
      requests.push([name, body]);
      return answers[name] || {};
    },
    upload: ({ name }) => ({ path: `/up/${name}` }), mostBytes: 5e7, show: () => {}, began: () => {},
    startUpload: (total) => ({ done: 0, total, cancelled: false }),
  });
  return { message, names: requests.map(([name]) => name), requests };
}

test("pictures are uploaded and added once that was allowed", async () => {
  const files = [new File(["x"], "a.jpg"), new File(["xy"], "b.jpg")];
  const { message, requests } = await add(files);
  assert.equal(message, undefined);
  assert.deepEqual(requests[0], ["may_add", { gallery: "album", bytes: 3 }]);
  const [name, { gallery, files: sent }] = requests[1];
  assert.deepEqual([name, gallery, sent.map((each) => each.name)], ["add_pictures", "album", ["a.jpg", "b.jpg"]]);
});

test("pictures that cannot be added are not uploaded, or deleted again", async () => {
  assert.match((await add([])).message, /Choose the pictures first/);
  const large = Object.defineProperty(new File(["x"], "a.jpg"), "size", { value: 6e7 });
  assert.match((await add([large])).message, /larger than 50 MB/);
  const early = await add([new File(["x"], "a.jpg")], { may_add: { message: "No room." } });
  assert.deepEqual([early.message, early.names], ["No room.", ["may_add"]]);
  const late = await add([new File(["x"], "a.jpg")], { add_pictures: { message: "Busy." } });
  assert.deepEqual([late.message, late.names], ["Busy.", ["may_add", "add_pictures", "forget_uploads"]]);
});

// --- what of the page follows --------------------------------------------------------------------

test("after a change of its images the chosen gallery is searched again, and others are not", async () => {
  await changes.contentChanged("other");
  assert.deepEqual(asked, []);
  await changes.contentChanged("album");
  assert.deepEqual(asked, ["album"]);
  assert.deepEqual(state.results.hits.map(({ id }) => id), [1, 2]);
  assert.deepEqual(state.drawn.map(({ id }) => id), [50]);
});

test("a query that was removed is reported, and nothing of it stays", async () => {
  removed = [7];
  await changes.contentChanged("album");
  assert.deepEqual([state.message, state.edit, state.original, state.results], ["It was removed.", null, null, null]);
});

test("images that were taken out vanish everywhere", async () => {
  await changes.imagesRemoved("album", [1, 3, 4]);
  assert.deepEqual(state.results.hits.map(({ id }) => id), [2]);
  assert.deepEqual([state.examples, state.drawn, state.past], [[], [], []]);
  assert.equal(state.edit.id, 7);
});

test("what is shown goes on under a gallery's new name", async () => {
  names = ["yours", "other"];
  let kept = null;
  session.onPlace((place) => { kept = place; });
  await changes.renamed("album", "yours");
  assert.equal(state.gallery.name, "yours");
  assert.deepEqual(kept, { isNew: false });
  assert.deepEqual([state.edit.gallery, state.edit.src], ["yours", "galleries/yours/images/7/image"]);
  assert.equal(state.results.gallery, "yours");
  assert.equal(state.results.hits[0].thumbnail_url, "galleries/yours/images/1/thumbnail");
  assert.equal(state.past[0].place.gallery, "yours");
  assert.notEqual(state.past[0].key, "old");
  assert.deepEqual(state.galleries.map(({ name }) => name), ["yours", "other"]);
});

test("the browser's ways back follow every new name, but not to a gallery that has the old one now", () => {
  remember("first", "second");
  remember("second", "third");
  const place = { gallery: "first", original: null, edit: image(1, "first"), examples: [] };
  assert.equal(presentPlace(place, []).gallery, "third");
  assert.equal(presentPlace(place, []).edit.src, "galleries/third/images/1/image");
  assert.equal(presentPlace(place, [facts("first")]).gallery, "first");
  assert.equal(renamedPlace(place, "else", "x").gallery, "first");
});

test("after a gallery was deleted another one is chosen, without a query that was an image of it", async () => {
  names = ["other"];
  await changes.deleted("album");
  assert.deepEqual([state.gallery.name, state.edit, state.results, state.past], ["other", null, null, []]);
  assert.deepEqual(asked, []);
});

test("any other query is kept, and searched in the gallery that is chosen", async () => {
  names = ["other"];
  session.set({ original: { kind: "file", path: "/a" }, edit: { kind: "file", path: "/a" } });
  await changes.deleted("album");
  await new Promise(setImmediate);
  assert.deepEqual(asked, ["other"]);
  assert.equal(state.edit.path, "/a");
});

test("after the last gallery was deleted the page says that there is none", async () => {
  names = [];
  session.set({ galleries: [facts("album")] });
  await changes.deleted("album");
  assert.deepEqual([state.gallery, state.galleries, state.message], [null, [], "There is no gallery yet."]);
});

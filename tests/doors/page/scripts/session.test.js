// Searches in the page: what each sends and keeps, which filters hold, and who overtakes whom.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { NO_ANSWER } from "../../../../app/doors/page/assets/call.js";
import * as session from "../../../../app/doors/page/assets/session.js";

const { state } = session;
const FACTS = { name: "album", images: 60, refused: "" };
const IMAGE = { id: 7, gallery: "album", path: "a.jpg", labels: ["cat"], image_url: "i", thumbnail_url: "t", score: 0.9, rank: 1 };
const SHOWN = { ...IMAGE, shown_url: "i?fallback=thumbnail" };
const CHOSEN = { min_score: 0.5, label: "cat", where: ["width>9"], sort: "name", hideDuplicates: true, words_weight: 0.5 };

let asked = []; // the requests of `ask`
let answer = null; // to the next of them
const server = {
  ask: (request) => {
    asked.push(request);
    return answer(request);
  },
  gallery: ({ gallery }) => ({ gallery: { ...FACTS, name: gallery }, examples: [IMAGE] }),
  cut: () => ({ query: { kind: "file", path: "/cut" } }),
  original: ({ gallery, id }) => ({ missing: id === 7 ? "" : `${id} of ${gallery} is gone.` }),
};

const found = (request) => ({
  query: { ...request.query, src: "s" }, results: { gallery: request.gallery, hits: [IMAGE] },
});

// A promise and the function that fulfils it.
function later() {
  let resolve = null;
  const promise = new Promise((done) => { resolve = done; });
  return { promise, resolve };
}

beforeEach(() => {
  asked = [];
  answer = found;
  session.connect(server, { controls: () => {}, galleryNames: () => {}, noAddress: () => {} });
  session.set({
    gallery: FACTS, original: null, edit: null, words: "", examples: [], results: null, message: "", busy: false,
    controls: { k: 10, exact: false, leave_out_same_file: false }, filters: session.NO_FILTERS, past: [],
  });
});

test("a search sends its parameters by the names that every door has", async () => {
  session.set({ controls: { k: 25, exact: true, leave_out_same_file: true }, filters: CHOSEN });
  const examples = [
    { gallery: "album", id: 3, wish: session.MORE }, { gallery: "album", id: 4, wish: session.LESS },
    { gallery: "other", id: 5, wish: session.MORE },
  ];
  await session.ask({ kind: "random" }, { examples });
  assert.deepEqual(asked, [{
    gallery: "album", query: { kind: "random" }, words: "", exact: true, leave_out_same_file: true, label: "cat",
    where: ["width>9"], more: [3], less: [4],
  }]);
  assert.equal(state.shown, 25);
});

const foundByWords = (request) => ({ query: request.query, results: { gallery: request.gallery, hits: [IMAGE] } });

test("what is typed is an address or words", () => {
  for (const text of ["https://a.b/c.jpg", "www.example.org/a.jpg", "example.org/cat.png", "FTP://x/y"]) {
    assert.ok(session.isAddress(text), text);
  }
  for (const text of ["red car", "cat.", "a/b", "image.jpg", "50/50 chance", "Mr. Smith", "and/or.what now"]) {
    assert.ok(!session.isAddress(text), text);
  }
});

test("words alone are searched for, and are gone with the next picture", async () => {
  answer = foundByWords;
  await session.search("  red car ");
  assert.deepEqual([asked[0].query, asked[0].words], [null, "red car"]);
  assert.deepEqual([state.words, state.edit, state.results.hits.length], ["red car", null, 1]);
  answer = found;
  await session.ask({ kind: "random" });
  assert.deepEqual([asked[1].words, state.words], ["", ""]);
});

test("words go with the picture, until they are taken away or kept alone", async () => {
  await session.ask({ kind: "random" });
  await session.search("in snow");
  assert.deepEqual([asked[1].query.kind, asked[1].words], ["random", "in snow"]);
  await session.ask({ ...state.edit, turns: 1 }, { isEdit: true });
  assert.equal(asked[2].words, "in snow");
  answer = foundByWords;
  await session.keepWordsAlone();
  assert.deepEqual([asked[3].query, asked[3].words, state.edit, state.original], [null, "in snow", null, null]);
  session.dropWords();
  assert.deepEqual([state.words, state.results], ["", null]);
});

test("words that are refused leave what is shown", async () => {
  await session.ask({ kind: "random" });
  answer = () => ({ message: "There is no word in '...': type what to look for." });
  await session.search("...");
  assert.deepEqual([state.words, state.edit.kind, state.results.hits.length], ["", "random", 1]);
  assert.match(state.message, /no word/);
});

test("conditions are searched with, and those that are refused leave what is shown", async () => {
  await session.ask({ kind: "random" });
  await session.filterWhere(["width>9"]);
  assert.deepEqual([asked[1].query.kind, asked[1].where, state.filters.where], ["random", ["width>9"], ["width>9"]]);
  answer = (request) => ({ query: request.query, message: "album has no column 'hight'." });
  await session.filterWhere(["width>9", "hight>9"]);
  assert.deepEqual([state.filters.where, state.results.hits.length, state.busy], [["width>9"], 1, false]);
  assert.match(state.message, /hight/);
  answer = found;
  await session.ask({ ...state.edit, turns: 1 }, { isEdit: true });
  assert.deepEqual(asked.at(-1).where, ["width>9"]);
  await session.ask({ kind: "random" });
  assert.deepEqual(asked.at(-1).where, []);
});

test("conditions that are cleared with the other filters are searched without", async () => {
  await session.ask({ kind: "random" });
  await session.filterWhere(["width>9"]);
  session.filter(session.NO_FILTERS);
  await new Promise(setImmediate);
  assert.deepEqual([asked.length, asked[2].where], [3, []]);
  session.filter({ sort: "name" });
  await new Promise(setImmediate);
  assert.equal(asked.length, 3);
});

test("an address may be typed without its scheme", async () => {
  await session.search("www.example.org/a.jpg");
  assert.deepEqual(asked[0].query, { kind: "url", url: "https://www.example.org/a.jpg" });
});

test("results and examples name the gallery that they are of, and what is shown of them", async () => {
  await session.ask({ kind: "random" });
  assert.deepEqual(state.results.hits, [SHOWN]);
  await session.drawExamples();
  assert.deepEqual(state.drawn, [SHOWN]);
});

test("whether an original is here is asked by gallery and id", async () => {
  assert.equal(await session.whyNoOriginal({ ...SHOWN }), "");
  assert.equal(await session.whyNoOriginal({ ...SHOWN, id: 8 }), "8 of album is gone.");
});

test("a new picture drops the filters and the order that were chosen for the one before", async () => {
  await session.ask({ kind: "random" });
  session.set({ filters: CHOSEN });
  await session.ask({ kind: "random" });
  assert.equal(asked[1].label, "");
  assert.deepEqual(state.filters, session.NO_FILTERS);
});

test("the first picture of all keeps the filters of a link", async () => {
  session.set({ filters: CHOSEN });
  await session.ask({ kind: "random" });
  assert.equal(asked[0].label, "cat");
  assert.deepEqual(state.filters, CHOSEN);
});

test("an edit and a further example keep the filters", async () => {
  await session.ask({ kind: "random" });
  session.set({ filters: CHOSEN });
  await session.ask({ ...state.edit, turns: 1 }, { isEdit: true });
  session.addExample(state.results.hits[0], session.MORE);
  await new Promise(setImmediate);
  assert.deepEqual(asked.map(({ label }) => label), ["", "cat", "cat"]);
  assert.deepEqual(state.filters, CHOSEN);
});

test("a picture that is not there changes nothing but the message", async () => {
  await session.ask({ kind: "random" });
  session.set({ filters: CHOSEN });
  const { edit, results } = state;
  answer = () => ({ message: "No picture." });
  assert.equal(await session.ask({ kind: "url", url: "http://x" }), false);
  assert.equal(await session.ask({ ...edit, turns: 1 }, { isEdit: true }), false);
  assert.deepEqual(
    [state.edit, state.results, state.filters, state.message, state.busy],
    [edit, results, CHOSEN, "No picture.", false],
  );
});

test("another gallery drops filters and order, and is searched with the same picture", async () => {
  await session.ask({ kind: "random" });
  session.set({ filters: CHOSEN });
  await session.chooseGallery("other");
  await new Promise(setImmediate);
  assert.deepEqual([asked[1].gallery, asked[1].label, asked[1].query], ["other", "", state.edit]);
  assert.deepEqual(state.filters, session.NO_FILTERS);
  assert.equal(state.results.gallery, "other");
});

test("another label is searched for, another order is not", async () => {
  await session.ask({ kind: "random" });
  session.filter({ sort: "name", min_score: 0.3 });
  session.filter({ label: "dog" });
  await new Promise(setImmediate);
  assert.deepEqual(asked.map(({ label }) => label), ["", "dog"]);
});

test("a label whose search failed is not set; one that was overtaken leaves the next one set", async () => {
  await session.ask({ kind: "random" });
  const { promise, resolve } = later();
  answer = () => promise;
  const first = session.filter({ label: "cat" });
  answer = found;
  await session.filter({ label: "dog" });
  resolve({ message: "too late" });
  await first;
  assert.equal(state.filters.label, "dog");
  answer = () => ({ message: NO_ANSWER });
  await session.filter({ label: "cat" });
  assert.equal(state.filters.label, "dog");
  assert.equal(state.message, NO_ANSWER);
  assert.equal(state.failed, false);
});

test("an answer that was overtaken is dropped", async () => {
  const slow = later();
  answer = () => slow.promise;
  const first = session.ask({ kind: "url", url: "http://slow" });
  await new Promise(setImmediate);
  answer = found;
  await session.ask({ kind: "photograph", name: "coffee" });
  const shown = { ...state };
  slow.resolve(found({ gallery: "album", query: { kind: "url" } }));
  assert.equal(await first, false);
  assert.deepEqual(state, shown);
});

test("a search waits until the galleries are known", async () => {
  const opening = later();
  session.waitFor(opening.promise);
  const search = session.ask({ kind: "random" });
  await new Promise(setImmediate);
  assert.deepEqual(asked, []);
  opening.resolve();
  assert.equal(await search, true);
});

test("copying to the original takes the cut picture, and searches nothing", async () => {
  await session.ask({ kind: "random" });
  await session.copyToOriginal();
  assert.deepEqual([state.original, state.edit], [{ kind: "file", path: "/cut" }, { kind: "file", path: "/cut" }]);
  assert.equal(asked.length, 1);
});

test("copying to the edit window searches the whole original", async () => {
  await session.ask({ kind: "random" });
  await session.ask({ ...state.edit, turns: 1, box: [0, 0, 1, 0.5] }, { isEdit: true });
  session.copyToEdit();
  await new Promise(setImmediate);
  const { turns, box, mirrored } = asked[2].query;
  assert.deepEqual([turns, box, mirrored], [0, null, false]);
});

test("an image is a further example once, with the last wish", async () => {
  await session.ask({ kind: "random" });
  for (const wish of [session.MORE, session.LESS]) {
    session.addExample(state.results.hits[0], wish);
    await new Promise(setImmediate);
  }
  assert.deepEqual(state.examples.map(({ id, wish }) => [id, wish]), [[7, session.LESS]]);
  session.removeExample(7);
  await new Promise(setImmediate);
  assert.deepEqual(state.examples, []);
});

test("further examples of one label are told apart by their files' names", async () => {
  await session.ask({ kind: "random" });
  session.addExamples(["a", "b"].map((name, id) => ({ ...SHOWN, id, labels: ["cat"], path: `cats/${name}.jpg` })), session.MORE);
  await new Promise(setImmediate);
  assert.deepEqual(state.examples.map(({ name }) => name), ["a.jpg, cat", "b.jpg, cat"]);
});

test("Gradio's number of results is kept within its bounds and needs no search", () => {
  for (const [number, k] of [[25.4, 25], [0, 10], ["x", 10], [1000, 100], [-3, 1]]) {
    session.set({ controls: { k: 10, exact: false, leave_out_same_file: false } });
    session.controlsChanged("album", number, false, false);
    assert.equal(state.controls.k, k);
  }
  assert.deepEqual(asked, []);
});

test("a server that does not answer is reported", async () => {
  for (const broken of [() => null, () => ({ detail: "x" }), () => ({ error: "x" }), () => Promise.reject(new Error())]) {
    answer = broken;
    await session.ask({ kind: "random" });
    assert.deepEqual([state.message, state.busy], [NO_ANSWER, false]);
  }
});

test("words beside a picture are sent with their weight, which is chosen for one query", async () => {
  await session.ask({ kind: "random" }, { words: "snow" });
  session.filter({ words_weight: 0.8 });
  await new Promise(setImmediate);
  assert.deepEqual(asked.map(({ words, words_weight }) => [words, words_weight]), [["snow", 0.5], ["snow", 0.8]]);
  await session.ask({ kind: "random" }, { words: "rain" });
  assert.equal(asked.at(-1).words_weight, 0.5);
});

test("a gallery is browsed in an order of its own, and read on part by part", async () => {
  answer = ({ gallery, offset = 0 }) => ({
    query: null,
    results: { gallery, listed: true, candidates: 3, hits: offset < 3 ? [{ ...IMAGE, id: offset, rank: offset + 1 }] : [] },
  });
  await session.browse();
  assert.ok(state.browsing && session.isAsked());
  assert.equal(asked[0].sort, "path");
  session.filter({ sort: "bytes" });
  await new Promise(setImmediate);
  assert.equal(asked[1].sort, "-bytes");
  const reading = session.readOn();
  assert.equal(await session.readOn(), true); // the answer to the first is still to come: it is not asked twice
  assert.equal(await reading, true);
  await session.readOn();
  assert.deepEqual(asked.slice(2).map(({ offset }) => offset), [1, 2]);
  assert.deepEqual(state.results.hits.map(({ id }) => id), [0, 1, 2]);
  assert.equal(await session.readOn(), false);
  await session.readOn(); // it is at its end
  assert.equal(asked.length, 5);
});

test("a part that comes when something else is shown changes nothing", async () => {
  answer = ({ gallery }) => ({ query: null, results: { gallery, listed: true, candidates: 9, hits: [IMAGE] } });
  await session.browse();
  const { promise, resolve } = later();
  answer = async () => promise;
  const reading = session.readOn();
  answer = found;
  await session.ask({ kind: "random" });
  const { results } = state;
  resolve({ query: null, results: { listed: true, candidates: 9, hits: [IMAGE] } });
  await reading;
  assert.equal(state.results, results);
  assert.equal(state.browsing, false);
});

test("further uploads are searched with what is asked already, or alone, and those that are none are named", async () => {
  const cut = server.cut;
  server.cut = ({ query }) => (query.name === "no.jpg" ? { message: "no.jpg is no picture." } : {
    query: { kind: "file", path: query.path, name: query.name, src: `src ${query.path}` },
  });
  answer = ({ gallery }) => ({ query: null, results: { gallery, hits: [IMAGE] } });
  const wrong = await session.addPictures([{ path: "/a", name: "a.jpg" }, { path: "/b", name: "no.jpg" }]);
  assert.deepEqual(wrong, ["no.jpg is no picture."]);
  assert.deepEqual(asked[0].more, [{ kind: "file", path: "/a", name: "a.jpg", src: "src /a" }]);
  assert.equal(state.browsing, false);
  await session.chooseGallery("other"); // an upload is of no gallery
  await new Promise(setImmediate);
  assert.equal(asked.at(-1).more.length, 1);
  session.removeExample("/a");
  assert.equal(state.results, null);
  server.cut = cut;
});

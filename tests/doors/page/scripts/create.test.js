// A new gallery: what is uploaded and asked for, the build's progress, and how it ended.

import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_ANSWER } from "../../../../app/doors/page/assets/call.js";
import { skippedLines, summaryOf } from "../../../../app/doors/page/assets/create_outcome.js";
import { duration, lineOf, watchBuild, wordsOf } from "../../../../app/doors/page/assets/create_progress.js";
import { endOf } from "../../../../app/doors/page/assets/job_line.js";
import { requestBuild, uploadAll } from "../../../../app/doors/page/assets/create_upload.js";

const file = (name, size = 10) => Object.assign(new File(["x".repeat(size)], name), {});
const NEW = { name: "new", model: "m", kind: "files", folder: "", files: [] };

// Request a build with `answers` of the server; return the message, the requests and the uploads.
async function request(form, { answers = {}, upload = ({ name }) => ({ path: `/up/${name}` }), mostBytes = 1e9 } = {}) {
  const requests = [];
  const began = [];
  const message = await requestBuild({ ...NEW, ...form }, {
    ask: (name, body) => {
      requests.push([name, body]);
      return answers[name] || { make_gallery: { progress: { state: "running" } } }[name] || {};
    },
    upload, suffixes: [".jpg", ".png"], mostBytes, show: () => {}, began: (progress) => began.push(progress),
    startUpload: (total) => ({ done: 0, total, cancelled: false }),
  });
  return { message, requests, began, names: requests.map(([name]) => name) };
}

// --- what is asked for ---------------------------------------------------------------------------

test("a folder on this machine is asked for by its path, after it was checked", async () => {
  const { message, requests, began } = await request({ kind: "folder", folder: "/pictures" });
  assert.equal(message, undefined);
  assert.deepEqual(requests, [
    ["may_make", { name: "new", model: "m", bytes: 0 }],
    ["make_gallery", { name: "new", model: "m", pictures: { kind: "folder", folder: "/pictures" } }],
  ]);
  assert.deepEqual(began, [{ state: "running" }]);
});

test("files are uploaded and asked for in the order they were chosen, under their own names", async () => {
  const files = Array.from({ length: 9 }, (_, number) => file(`${number}.jpg`));
  const { requests } = await request({ files });
  const sent = requests.at(-1)[1].pictures;
  assert.equal(sent.kind, "files");
  assert.deepEqual(sent.files.map(({ name }) => name), files.map(({ name }) => name));
  assert.equal(new Set(sent.files.map(({ path }) => path)).size, 9);
  assert.equal(requests[0][1].bytes, 90);
});

test("of a folder to upload the pictures alone are taken, with their sub-folders", async () => {
  const picture = Object.assign(file("a.JPG"), {});
  Object.defineProperty(picture, "webkitRelativePath", { value: "trip/day 1/a.JPG" });
  const { requests } = await request({ kind: "directory", files: [picture, file("notes.txt")] });
  assert.deepEqual(requests.at(-1)[1].pictures.files.map(({ name }) => name), ["trip/day 1/a.JPG"]);
  const { message, names } = await request({ kind: "directory", files: [file("notes.txt")] });
  assert.match(message, /no picture/);
  assert.deepEqual(names, []);
});

test("a ZIP is uploaded as one file", async () => {
  const { requests } = await request({ kind: "zip", files: [file("trip.zip")] });
  const { kind, name, path } = requests.at(-1)[1].pictures;
  assert.deepEqual([kind, name], ["zip", "trip.zip"]);
  assert.match(path, /^\/up\//);
});

test("nothing is uploaded for a gallery that cannot be made", async () => {
  const refuse = { answers: { may_make: { message: "Give the gallery a name." } } };
  const never = () => assert.fail("uploaded");
  const { message, names } = await request({ files: [file("a.jpg")] }, { ...refuse, upload: never });
  assert.deepEqual([message, names], ["Give the gallery a name.", ["may_make"]]);
  assert.match((await request({ files: [file("a.jpg")] }, { mostBytes: 9, upload: never })).message, /a\.jpg is larger/);
  assert.match((await request({})).message, /Choose the pictures first/);
  assert.match((await request({ kind: "zip" })).message, /Choose a ZIP archive first/);
});

test("uploads for a gallery that is not made after all are deleted", async () => {
  const refused = await request({ files: [file("a.jpg")] }, { answers: { make_gallery: { message: "No room." } } });
  assert.equal(refused.message, "No room.");
  assert.equal(refused.requests.at(-1)[1].paths.length, 1);
  const broken = await request({ files: [file("a.jpg")] }, { upload: () => Promise.reject(new Error("gone")) });
  assert.match(broken.message, /a\.jpg could not be uploaded/);
  assert.deepEqual(broken.names, ["may_make", "forget_uploads"]);
});

test("a cancelled upload stops, and says that nothing was made", async () => {
  const uploading = { done: 0, total: 20, cancelled: false };
  const upload = () => {
    if (uploading.done === 4) uploading.cancelled = true;
    return { path: "/up" };
  };
  const files = Array.from({ length: 20 }, (_, number) => file(`${number}.jpg`));
  const { sent, problem } = await uploadAll(files, upload, uploading, () => {});
  assert.match(problem, /cancelled/);
  assert.ok(sent.length < 10);
});

// --- progress ------------------------------------------------------------------------------------

// A watched build with the given answers, one a poll, and a clock that is wound by hand.
function watched(t, answers) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const heard = { polls: 0, said: [], done: 0 };
  const watch = watchBuild(
    () => {
      heard.polls += 1;
      return Promise.resolve(answers.shift());
    },
    { show: () => {}, say: (message) => heard.said.push(message), done: () => { heard.done += 1; } },
  );
  const wait = async (polls) => {
    for (let poll = 0; poll < polls; poll += 1) {
      t.mock.timers.tick(500);
      await new Promise(setImmediate);
    }
  };
  return { watch, heard, wait };
}

test("the server is asked only while a build runs", async (t) => {
  const running = { progress: { state: "running" } };
  const { watch, heard, wait } = watched(t, [running, running, { progress: { state: "done" } }]);
  watch.take({ state: "idle" });
  await wait(5);
  assert.equal(heard.polls, 0);
  watch.take({ state: "running" });
  watch.take({ state: "running" }); // as by a second answer meanwhile
  await wait(10);
  assert.deepEqual([heard.polls, heard.done, watch.current().state], [3, 1, "done"]);
});

test("a build that had ended before is no news", async (t) => {
  const { watch, heard, wait } = watched(t, []);
  watch.take({ state: "done" });
  await wait(3);
  assert.deepEqual([heard.polls, heard.done], [0, 0]);
});

test("a build that fails says why", async (t) => {
  const { watch, heard, wait } = watched(t, [{ progress: { state: "failed", message: "No image." } }]);
  watch.take({ state: "running" });
  await wait(3);
  assert.deepEqual([heard.said, heard.done, heard.polls], [["No image."], 0, 1]);
});

test("a server that does not answer is asked again, and the message goes when it does", async (t) => {
  const running = { progress: { state: "running" } };
  const { watch, heard, wait } = watched(t, [{ message: NO_ANSWER }, { message: NO_ANSWER }, running, running, running]);
  watch.take({ state: "running" });
  await wait(4);
  assert.deepEqual(heard.said, [NO_ANSWER, NO_ANSWER, ""]);
});

test("each stage has its words", () => {
  assert.equal(wordsOf({ stage: "embed", done: 3, total: 9, rate: 11.6, seconds_left: 0.5 }), "Embedding 3 of 9, 12 images/s, 1 s left");
  assert.equal(wordsOf({ stage: "embed", done: 3, total: 9, rate: 0, seconds_left: null }), "Embedding 3 of 9, 0 images/s");
  assert.equal(wordsOf({ stage: "unpack", done: 1e6, total: 2_500e6, seconds_left: 120 }), "Unpacking 1 of 2,500 MB, 2 min left");
  for (const stage of ["prepare", "collect", "list", "train", "measure"]) assert.notEqual(wordsOf({ stage }), "");
  assert.equal(wordsOf({ stage: "embed", stopping: true }), "Stopping …");
  assert.equal(wordsOf({ stage: "new" }), "");
});

test("a line says what is done to which gallery, and how far it is", () => {
  const progress = { kind: "update", name: "album", stage: "embed", done: 120, total: 1900, rate: 9, seconds_left: 110 };
  assert.equal(lineOf(progress), "Updating album: 120 of 1,900, 2 min left");
  assert.equal(lineOf({ ...progress, kind: "add", seconds_left: null }), "Adding to album: 120 of 1,900");
  assert.equal(lineOf({ name: "trip", stage: "list" }), "Making trip: listing the pictures …");
  assert.equal(lineOf({ ...progress, stopping: true }), "Updating album: stopping …");
  assert.equal(lineOf(progress, { done: 2, total: 7 }), "Uploading 2 of 7");
});

test("how a job ended is told in a line with the gallery's name", () => {
  const report = { images: 60, seconds: 2, recall: 1 };
  assert.equal(endOf({ state: "done", kind: "make", name: "trip", report }), "trip: 60 images in 2 s, all of the nearest found");
  assert.equal(endOf({ state: "done", kind: "update", name: "trip", report: { added: 2, unchanged: 3 } }), "trip: 2 added, 3 unchanged");
  assert.equal(endOf({ state: "stopped", kind: "update", name: "trip", message: "Stopped." }), "trip: Stopped.");
  assert.equal(endOf({ state: "failed", name: "trip", message: "No image." }), "No image.");
  assert.equal(endOf({ state: "idle" }), "");
});

test("times are whole seconds, minutes or hours", () => {
  assert.deepEqual([0.2, 99, 100, 5999, 6000, 7201].map(duration), ["1 s", "99 s", "2 min", "100 min", "2 h", "3 h"]);
});

// --- the end -------------------------------------------------------------------------------------

test("a gallery's report says how many images, how fast and how well", () => {
  const report = { images: 1234, seconds: 5.6, recall: 0.9876 };
  assert.equal(summaryOf("trip", report), "trip: 1,234 images in 5.6 s, 99 % of the nearest found");
});

test("skipped files are listed, and how many more there are", () => {
  const files = [{ path: "<b>.jpg", reason: "It is empty." }];
  assert.deepEqual(skippedLines({ skipped: 1, skipped_files: files }), ["1 file was skipped", "<b>.jpg: It is empty."]);
  assert.deepEqual(
    skippedLines({ skipped: 2001, skipped_files: files }),
    ["2,001 files were skipped", "<b>.jpg: It is empty.", "and 2,000 more"],
  );
});

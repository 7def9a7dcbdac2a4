// What the page makes of the answers to its requests, whatever they are.

import assert from "node:assert/strict";
import { test } from "node:test";

import { callsTo, NO_ANSWER } from "../../../../app/doors/page/assets/call.js";

const BUSY = { type: "/problems/too-many", title: "More is asked than the server takes", status: 429,
  detail: "128 requests wait for an answer already: ask again in 2 seconds." };

for (const [what, answer, expected] of [
  ["an answer", { results: [] }, { results: [] }],
  ["a problem of the server's", BUSY, { message: BUSY.detail }],
  ["an error of Gradio's", { error: "KeyError" }, { message: NO_ANSWER }],
  ["a list of faults of Gradio's", { detail: [{ loc: [] }] }, { message: NO_ANSWER }],
  ["nothing", undefined, { message: NO_ANSWER }],
]) {
  test(`${what} is shown as what it says`, async () => {
    assert.deepEqual(await callsTo({ search: async () => answer })("search"), expected);
  });
}

test("a server that is gone is said to be", async () => {
  const gone = () => { throw new TypeError("fetch failed"); };
  assert.deepEqual(await callsTo({ search: gone })("search"), { message: NO_ANSWER });
});

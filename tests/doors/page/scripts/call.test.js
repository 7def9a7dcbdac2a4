// What the page makes of the answers to its requests, whatever they are.

import assert from "node:assert/strict";
import { test } from "node:test";

import { callsTo, NO_ANSWER, NOT_TAKEN } from "../../../../app/doors/page/assets/call.js";

const ANSWERS = [
  ["an error of Gradio's", { error: "KeyError" }],
  ["a list of faults", { detail: [{ loc: [] }] }],
  ["nothing, as where too much is asked", undefined],
];

test("an answer is passed on", async () => {
  const answer = { results: [] };
  assert.equal(await callsTo({ search: () => answer })("search"), answer);
});

for (const [what, answer] of ANSWERS) {
  for (const [runs, message] of [[true, NOT_TAKEN], [false, NO_ANSWER]]) {
    test(`${what} is told, of a server that ${runs ? "runs" : "is gone"}`, async () => {
      const asked = callsTo({ search: () => answer }, () => runs);
      assert.deepEqual(await asked("search"), { message });
    });
  }
}

test("a function that throws is told", async () => {
  const gone = () => { throw new TypeError("fetch failed"); };
  assert.deepEqual(await callsTo({ search: gone }, () => false)("search"), { message: NO_ANSWER });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { announcementOf } from "../../../../app/doors/page/assets/announcement.js";

const answer = (number, more = {}) => ({ hits: Array(number).fill({}), verdict: "", candidates: 5000, listed: false, ...more });

test("a finished search is announced by its verdict and the number of results", () => {
  assert.equal(announcementOf(answer(200, { verdict: "Found." }), 10), "Found. 200 results, 10 are shown.");
  assert.equal(announcementOf(answer(1), 10), "1 result.");
});

test("a list is announced by all that it holds", () => {
  assert.equal(announcementOf(answer(60, { listed: true, candidates: 9144 }), 60), "9,144 results, 60 are shown.");
});

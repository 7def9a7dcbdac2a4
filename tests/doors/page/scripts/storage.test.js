// What a browser keeps, and one that keeps nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

test("where a visitor has forbidden storage, nothing is kept and nothing breaks", async () => {
  Object.defineProperty(globalThis, "localStorage", { configurable: true, get() { throw new Error("SecurityError"); } });
  const full = { getItem: () => "a", setItem() { throw new Error("QuotaExceededError"); } };
  Object.defineProperty(globalThis, "sessionStorage", { configurable: true, value: full });
  const { ofBrowser, ofTab } = await import("../../../../app/doors/page/assets/storage.js");
  ofBrowser.set("key", "value");
  assert.equal(ofBrowser.get("key"), null);
  ofTab.set("key", "value");
  assert.equal(ofTab.get("key"), "a");
});

// What sticks to the window is known, however late it is laid out.

import assert from "node:assert/strict";
import { test } from "node:test";

let bar = null;
const observed = [];
const properties = {};

globalThis.document = {
  documentElement: { style: { setProperty: (name, value) => { properties[name] = value; } } },
  querySelector: () => bar,
};
globalThis.ResizeObserver = class {
  constructor(measure) { this.measure = measure; }

  observe(element) {
    observed.push(element);
    this.measure();
  }
};
const session = await import("../../../../app/doors/page/assets/session.js");
await import("../../../../app/doors/page/assets/scroll.js");

test("a bar that is laid out after the scripts have started is measured once it is there", () => {
  session.set({ busy: true });
  assert.deepEqual(observed, []);
  bar = { getBoundingClientRect: () => ({ height: 44.2 }) };
  session.set({ busy: false });
  session.set({ busy: true });
  assert.deepEqual(observed, [bar]);
  assert.deepEqual(properties, { "--bar-height": "45px" });
});

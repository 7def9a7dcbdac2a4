// The rectangle in the edit window: drawn, moved, resized and cleared, by mouse, finger and keys.

import { closest, make } from "./make.js";
import { MIDDLE, dragged, orNone, steered, within } from "./rectangle.js";

const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const REST_MILLISECONDS = 400;

/** @import { Box } from "../types.js" */
/** @typedef {(sides: Box | null) => void} Take */
/** @typedef {{ get: () => Box | null, set: Take, finish: Take }} Held */

/** @param {HTMLElement} frame @param {Box | null} value @param {Take} onChange */
export function makeBox(frame, value, onChange) {
  const box = make(
    "div", {
      class: "box", tabindex: "0", role: "group",
      "aria-label": "Part to search with: arrows move it, with Shift they resize it, Delete clears it",
    },
    HANDLES.map((side) => make("span", { class: `handle ${side}`, "data-side": side })),
  );
  frame.append(box);
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "The picture to search with: Enter puts a rectangle on its middle");
  let current = value;
  draw(box, current);

  /** @type {Held} `set` takes the rectangle over at once, and `finish` reports it too. */
  const held = {
    get: () => current,
    set: (sides) => {
      current = sides;
      draw(box, current);
    },
    finish: (sides) => {
      const before = JSON.stringify(current);
      const next = orNone(sides);
      if (!next && document.activeElement === box) frame.focus(); // a hidden box would lose the keyboard
      held.set(next);
      if (JSON.stringify(current) !== before) onChange(current);
    },
  };
  followPointer(frame, box, held);
  followKeys(frame, box, held, () => onChange(current));
}

/** @param {HTMLElement} box @param {Box | null} sides */
function draw(box, sides) {
  box.hidden = !sides;
  if (!sides) return;
  const [left, top, right, bottom] = sides.map((part) => 100 * part);
  Object.assign(box.style, {
    left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%`,
  });
}

/** @param {HTMLElement} frame @param {HTMLElement} box @param {Held} held */
function followPointer(frame, box, held) {
  /** @type {import("./rectangle.js").Drag | null} */
  let begun = null; // where a drag began
  /** @param {PointerEvent} event */
  const at = ({ clientX, clientY }) => {
    const area = frame.getBoundingClientRect();
    return [within((clientX - area.left) / area.width), within((clientY - area.top) / area.height)];
  };
  frame.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    const inside = closest(event, ".box");
    const side = closest(event, ".handle")?.dataset.side || (inside ? "move" : "draw");
    begun = { side, from: at(event), sides: held.get() };
    frame.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (inside) box.focus({ preventScroll: true });
  });
  frame.addEventListener("pointermove", (event) => {
    if (begun) draw(box, dragged(begun, at(event)));
  });
  frame.addEventListener("pointerup", (event) => {
    if (!begun) return;
    const sides = dragged(begun, at(event));
    begun = null;
    held.finish(sides);
  });
  frame.addEventListener("pointercancel", () => {
    begun = null;
    draw(box, held.get());
  });
}

/** @param {HTMLElement} frame @param {HTMLElement} box @param {Held} held @param {() => void} report */
function followKeys(frame, box, held, report) {
  frame.addEventListener("keydown", (event) => {
    if (event.target !== frame || event.key !== "Enter") return;
    event.preventDefault();
    if (!held.get()) held.finish([...MIDDLE]);
  });
  let resting = 0; // a search begins once the keys rest, not at each step
  box.addEventListener("keydown", (event) => {
    const clears = event.key === "Delete" || event.key === "Backspace";
    const before = held.get();
    const sides = before && steered(before, event);
    if (!clears && !sides) return;
    event.preventDefault();
    clearTimeout(resting);
    if (clears) held.finish(null);
    else {
      held.set(sides);
      resting = setTimeout(report, REST_MILLISECONDS);
    }
  });
}

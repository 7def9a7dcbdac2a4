// The rectangle on the edit window: drawn, moved, resized and cleared, by mouse, finger and keys.

const LEAST = 0.02; // of a side: anything smaller is a click
const STEP = 0.01;
const MIDDLE = [0.25, 0.25, 0.75, 0.75]; // of the picture: where keys begin
const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const within = (value, least = 0, most = 1) => Math.min(most, Math.max(least, value));

export function makeBox(frame, value, onChange) {
  const box = document.createElement("div");
  box.className = "box";
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute(
    "aria-label",
    "Part to search with: arrows move it, with Shift they resize it, Delete clears it",
  );
  box.append(...HANDLES.map((side) => {
    const handle = document.createElement("span");
    handle.className = `handle ${side}`;
    handle.dataset.side = side;
    return handle;
  }));
  frame.append(box);
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "The picture to search with: Enter puts a rectangle on its middle");
  let current = value;
  draw(current);

  function draw(sides) {
    box.hidden = !sides;
    if (!sides) return;
    const [left, top, right, bottom] = sides.map((part) => 100 * part);
    Object.assign(box.style, {
      left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%`,
    });
  }

  function finish(sides) {
    const before = JSON.stringify(current);
    current = sides && sides[2] - sides[0] > LEAST && sides[3] - sides[1] > LEAST ? sides : null;
    if (!current && document.activeElement === box) frame.focus(); // what is hidden holds no keys
    draw(current);
    if (JSON.stringify(current) !== before) onChange(current);
  }

  const at = ({ clientX, clientY }) => {
    const area = frame.getBoundingClientRect();
    return [within((clientX - area.left) / area.width), within((clientY - area.top) / area.height)];
  };

  // What a drag makes of the rectangle, by where it began: outside, inside, or on a handle.
  function dragged(begun, [x, y]) {
    const [fromX, fromY] = begun.from;
    const [left, top, right, bottom] = begun.sides || [];
    if (begun.side === "draw") {
      return [Math.min(x, fromX), Math.min(y, fromY), Math.max(x, fromX), Math.max(y, fromY)];
    }
    if (begun.side === "move") return moved(begun.sides, x - fromX, y - fromY);
    const { side } = begun;
    return [
      side.includes("w") ? within(x, 0, right - LEAST) : left,
      side.includes("n") ? within(y, 0, bottom - LEAST) : top,
      side.includes("e") ? within(x, left + LEAST, 1) : right,
      side.includes("s") ? within(y, top + LEAST, 1) : bottom,
    ];
  }

  function moved([left, top, right, bottom], dx, dy) {
    const x = within(dx, -left, 1 - right);
    const y = within(dy, -top, 1 - bottom);
    return [left + x, top + y, right + x, bottom + y];
  }

  let begun = null;
  frame.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    const inside = event.target.closest(".box");
    const side = event.target.dataset.side || (inside ? "move" : "draw");
    begun = { side, from: at(event), sides: current };
    frame.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (inside) box.focus({ preventScroll: true });
  });
  frame.addEventListener("pointermove", (event) => {
    if (begun) draw(dragged(begun, at(event)));
  });
  frame.addEventListener("pointerup", (event) => {
    if (!begun) return;
    const sides = dragged(begun, at(event));
    begun = null;
    finish(sides);
  });
  frame.addEventListener("pointercancel", () => {
    begun = null;
    draw(current);
  });

  frame.addEventListener("keydown", (event) => {
    if (event.target !== frame || event.key !== "Enter") return;
    event.preventDefault();
    if (!current) finish([...MIDDLE]);
  });

  // Keys search once they rest, not at each step.
  let resting = 0;
  box.addEventListener("keydown", (event) => {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Delete" || event.key === "Backspace") finish(null);
    else if (directions[event.key] && current) {
      const [dx, dy] = directions[event.key].map((step) => step * STEP);
      const [left, top, right, bottom] = current;
      const sides = event.shiftKey
        ? [left, top, within(right + dx, left + 2 * LEAST, 1), within(bottom + dy, top + 2 * LEAST, 1)]
        : moved(current, dx, dy);
      current = sides;
      draw(sides);
      clearTimeout(resting);
      resting = setTimeout(() => onChange(current), 400);
    } else return;
    event.preventDefault();
  });
}

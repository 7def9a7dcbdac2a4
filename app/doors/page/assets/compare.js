// Two pictures at the same zoom and place: side by side, or one over the other with a slider.
// The wheel and + − zoom, dragging and arrows move, 0 shows the whole.

import { button, make } from "./make.js";

const [LEAST, MOST, STEP] = [1, 16, 1.25];
const MOVES = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };

// A view is {zoom, x, y}: how often larger than the frame, and moved by which fractions of it.
const WHOLE = { zoom: 1, x: 0, y: 0 };

// Return the view moved, as far as the picture fills the frame.
export function movedView({ zoom, x, y }, dx, dy) {
  const most = (zoom - 1) / 2;
  const within = (value) => Math.min(most, Math.max(-most, value));
  return { zoom, x: within(x + dx), y: within(y + dy) };
}

// Return the view zoomed so that what is at (x, y), in fractions from the frame's middle, stays.
export function zoomedView(view, by, [x, y] = [0, 0]) {
  const zoom = Math.min(MOST, Math.max(LEAST, view.zoom * by));
  const ratio = zoom / view.zoom;
  return movedView({ zoom, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio }, 0, 0);
}

export function makeComparison(one, other) {
  let pair = [one, other];
  let over = false; // one over the other
  let view = WHOLE;
  const stage = make("div", { class: "stages" });
  const slider = make("input", {
    type: "range", min: "0", max: "100", value: "50", "aria-label": "How much of the query is shown",
    oninput: () => place(),
  });
  const set = (next) => {
    view = next;
    place();
  };
  const move = (dx, dy) => set(movedView(view, dx, dy));
  const zoom = (by, at) => set(zoomedView(view, by, at));
  const reset = () => set(WHOLE);

  function build() {
    stage.classList.toggle("over", over);
    slider.hidden = !over;
    stage.replaceChildren(...pair.map(({ src, name }) => make(
      "figure", {},
      make("div", { class: "window" }, make("img", { src, alt: name, draggable: false })),
      make("figcaption", {}, name),
    )));
    place();
  }

  function place() {
    for (const image of stage.querySelectorAll("img")) {
      image.style.transform = `translate(${100 * view.x}%, ${100 * view.y}%) scale(${view.zoom})`;
    }
    const first = stage.querySelector(".window");
    first.style.clipPath = over ? `inset(0 ${100 - slider.value}% 0 0)` : "";
  }

  const layout = button("One over the other", () => {
    over = !over;
    layout.textContent = over ? "Side by side" : "One over the other";
    build();
  });
  const swap = button("Swap", () => {
    pair = pair.toReversed();
    build();
  });
  const whole = make(
    "div", { class: "comparison", tabindex: "0", role: "group", "aria-label": "Comparison" },
    make("div", { class: "tools" },
      button("Zoom in", () => zoom(STEP)), button("Zoom out", () => zoom(1 / STEP)),
      button("Whole", reset), swap, layout, slider),
    stage,
  );
  followPointer(stage, move, zoom);
  followKeys(whole, slider, { move, zoom, reset });
  build();
  return whole;
}

function followPointer(stage, move, zoom) {
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = (event.target.closest(".window") || stage.querySelector(".window")).getBoundingClientRect();
    zoom(event.deltaY < 0 ? STEP : 1 / STEP, [
      (event.clientX - frame.left) / frame.width - 0.5, (event.clientY - frame.top) / frame.height - 0.5,
    ]);
  }, { passive: false });
  let last = null; // where the pointer was, while it is down
  stage.addEventListener("pointerdown", (event) => {
    last = [event.clientX, event.clientY];
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!last) return;
    const { width, height } = stage.querySelector(".window").getBoundingClientRect();
    move((event.clientX - last[0]) / width, (event.clientY - last[1]) / height);
    last = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { last = null; });
}

function followKeys(whole, slider, { move, zoom, reset }) {
  whole.addEventListener("keydown", (event) => {
    if (event.target === slider) return;
    if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0") reset();
    else if (MOVES[event.key]) move(...MOVES[event.key]);
    else return;
    event.preventDefault();
  });
}

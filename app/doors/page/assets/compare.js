// Two pictures at the same zoom and place: side by side, or one over the other with a slider.
// The wheel and + − zoom, dragging and arrows move, 0 shows the whole.

import { button, make } from "./make.js";

const [LEAST, MOST, STEP] = [1, 16, 1.25];

export function makeComparison(one, other) {
  let pair = [one, other];
  let over = false; // one over the other
  const view = { zoom: 1, x: 0, y: 0 }; // x and y in fractions of a frame
  const stage = make("div", { class: "stages" });
  const slider = make("input", {
    type: "range", min: "0", max: "100", value: "50", "aria-label": "How much of the query is shown",
    oninput: () => place(),
  });
  const layout = button("One over the other", () => {
    over = !over;
    layout.textContent = over ? "Side by side" : "One over the other";
    build();
  });
  const whole = make(
    "div", { class: "comparison", tabindex: "0", role: "group", "aria-label": "Comparison" },
    make("div", { class: "tools" },
      button("Zoom in", () => zoom(STEP)), button("Zoom out", () => zoom(1 / STEP)),
      button("Whole", reset), button("Swap", () => { pair = pair.toReversed(); build(); }),
      layout, slider),
    stage,
  );

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
    const [first] = stage.querySelectorAll(".window");
    first.style.clipPath = over ? `inset(0 ${100 - slider.value}% 0 0)` : "";
  }

  function move(dx, dy) {
    const most = (view.zoom - 1) / 2;
    view.x = Math.min(most, Math.max(-most, view.x + dx));
    view.y = Math.min(most, Math.max(-most, view.y + dy));
    place();
  }

  // What is at (x, y), in fractions of a frame from its middle, stays there.
  function zoom(by, [x, y] = [0, 0]) {
    const before = view.zoom;
    view.zoom = Math.min(MOST, Math.max(LEAST, view.zoom * by));
    view.x = x - (x - view.x) * (view.zoom / before);
    view.y = y - (y - view.y) * (view.zoom / before);
    move(0, 0);
  }

  function reset() {
    Object.assign(view, { zoom: 1, x: 0, y: 0 });
    place();
  }

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = (event.target.closest(".window") || stage.querySelector(".window")).getBoundingClientRect();
    zoom(event.deltaY < 0 ? STEP : 1 / STEP, [
      (event.clientX - frame.left) / frame.width - 0.5, (event.clientY - frame.top) / frame.height - 0.5,
    ]);
  }, { passive: false });
  let held = null;
  stage.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!held) return;
    const { width, height } = stage.querySelector(".window").getBoundingClientRect();
    move((event.clientX - held[0]) / width, (event.clientY - held[1]) / height);
    held = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { held = null; });
  whole.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    if (event.target === slider) return;
    if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0") reset();
    else if (moves[event.key]) move(...moves[event.key]);
    else return;
    event.preventDefault();
  });
  build();
  return whole;
}

// Two pictures at the same zoom and place: side by side, or one over the other with a slider. A
// result that shows the query's own picture is laid over it as it lies in it: mixed, in turns, or
// parted by a line. They are zoomed and moved as one picture.

import { allIn, button, findIn, make } from "./make.js";
import { FITTING, makeZoom } from "./zoom.js";

/** @import { Alignment } from "../types.js" */
/** @import { View, Zoom } from "./zoom.js" */
/** @typedef {{ src?: string, name: string, place?: Record<string, string> }} Picture */
/** @typedef {{ pair: Picture[], ratio?: number, mode: string, view: View, turn: number }} Compared */
/** @typedef {{ tools: Node[], choose: (mode: string) => void }} Modes */

const MODES = { overlay: "Overlay", blink: "Blink", wipe: "Wipe", beside: "Side by side" };
/** @type {Record<string, string>} */
const KEYS = { o: "overlay", b: "blink", w: "wipe", s: "beside" };
const BLINK_MILLISECONDS = 700;

/**
 * Compare the query and a result.
 * @param {Picture} one
 * @param {Picture} other
 * @param {Alignment | null} [aligned] the `alignmentOf` both
 * @param {string[]} [roles] what the two are called
 */
export function makeComparison(one, other, aligned = null, roles = ["Query", "Result"]) {
  const reach = aligned?.reach ?? 1;
  /** @type {Compared} */
  const state = {
    pair: aligned ? [one, other].map((each, i) => ({ ...each, place: aligned.places[i] })) : [one, other],
    ratio: aligned?.ratio, mode: aligned ? "overlay" : "beside", view: FITTING, turn: 0,
  };
  const stage = make("div", { class: "stages" });
  /** @type {HTMLInputElement} */
  const slider = make("input", {
    type: "range", min: "0", max: "100", value: "50", "aria-label": `How much of the ${roles[0].toLowerCase()} is shown`,
    oninput: () => place(),
  });
  const place = () => placeSheets(stage, state, Number(slider.value));
  const build = () => {
    stage.replaceChildren(...sheets(state));
    stage.classList.toggle("over", state.mode !== "beside");
    stage.dataset.mode = state.mode;
    place();
  };
  const zoom = makeZoom(stage, {
    reach,
    show: (view) => {
      state.view = view;
      place();
    },
    frameAt: (target) => (target.closest(".window") || findIn(stage, ".window")).getBoundingClientRect(),
  });
  const modes = aligned ? modesOfAligned(state, slider, build, place, roles) : modesOfTwo(state, slider, build);
  const whole = make(
    "div", { class: "comparison", tabindex: "0", role: "group", "aria-label": "Comparison" },
    make("div", { class: "tools" },
      button("Zoom in", zoom.larger), button("Zoom out", zoom.smaller), button("Whole", zoom.whole), modes.tools),
    stage,
  );
  followKeys(whole, slider, zoom, modes);
  build();
  return whole;
}

/** @param {Compared} state */
function sheets({ pair, mode, ratio }) {
  const figures = pair.map(({ src, name, place }) => {
    const image = make("img", { src, alt: name, draggable: false });
    Object.assign(image.style, place);
    const world = place && make("div", { class: "world" }, image);
    world?.style.setProperty("--ratio", `${ratio}`);
    const sheet = world ? make("div", { class: "layer" }, world) : image;
    return make(
      "figure", {}, make("div", { class: "window" }, sheet), make("figcaption", {}, name),
    );
  });
  return mode === "wipe" && ratio ? [...figures, make("div", { class: "line" })] : figures;
}

/**
 * Move both pictures as the view is, and show as much of each as the mode and the slider want.
 * @param {HTMLElement} stage
 * @param {Compared} state
 * @param {number} percent
 */
function placeSheets(stage, { mode, ratio, view, turn }, percent) {
  for (const sheet of allIn(stage, ".window > *")) {
    sheet.style.transform = `translate(${100 * view.x}%, ${100 * view.y}%) scale(${view.zoom})`;
  }
  const [first, second] = allIn(stage, ".window");
  const [figure, over] = allIn(stage, "figure");
  const wiped = mode === "wipe";
  first.style.clipPath = wiped ? `inset(0 ${100 - percent}% 0 0)` : "";
  second.style.clipPath = wiped && ratio ? `inset(0 0 0 ${percent}%)` : "";
  const [top, bottom] = { overlay: [percent / 100, 1], blink: [1 - turn, turn] }[mode] ?? [1, 1];
  figure.style.opacity = `${top}`;
  over.style.opacity = `${bottom}`;
  const line = findIn(stage, ".line");
  if (line) line.style.left = `calc(${percent}% - 1px)`;
}

/**
 * The tools of two pictures that only lie beside or over one another.
 * @param {Compared} state
 * @param {HTMLInputElement} slider
 * @param {() => void} build
 * @returns {Modes}
 */
function modesOfTwo(state, slider, build) {
  const layout = button("One over the other", () => {
    state.mode = state.mode === "wipe" ? "beside" : "wipe";
    layout.textContent = state.mode === "wipe" ? "Side by side" : "One over the other";
    slider.hidden = state.mode !== "wipe";
    build();
  });
  const swap = button("Swap", () => {
    state.pair = state.pair.toReversed();
    build();
  });
  slider.hidden = true;
  return { tools: [swap, layout, slider], choose: () => {} };
}

/**
 * The tools of two aligned ones. While they blink, "Blink" shows the other one at once.
 * @param {Compared} state
 * @param {HTMLInputElement} slider
 * @param {() => void} build
 * @param {() => void} place
 * @param {string[]} roles
 * @returns {Modes}
 */
function modesOfAligned(state, slider, build, place, [first, second]) {
  const share = make("span", { class: "share" }, `${second} `, slider, ` ${first}`);
  const show = () => {
    share.hidden = state.mode === "blink" || state.mode === "beside";
    for (const [mode, each] of buttons) {
      each.setAttribute("aria-pressed", `${mode === state.mode}`);
      each.classList.toggle("pressed", mode === state.mode);
    }
  };
  let timer = 0;
  /** @param {string} mode */
  const choose = (mode) => {
    state.turn = state.mode === "blink" && mode === "blink" ? 1 - state.turn : 0;
    state.mode = mode;
    show();
    build();
    clearInterval(timer);
    if (mode === "blink" && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      timer = setInterval(() => {
        if (!slider.isConnected) clearInterval(timer);
        state.turn = 1 - state.turn;
        place();
      }, BLINK_MILLISECONDS);
    }
  };
  /** @type {[mode: string, HTMLButtonElement][]} */
  const buttons = Object.entries(MODES).map(([mode, words]) => [
    mode, button(words, () => choose(mode), { "aria-keyshortcuts": words[0] }),
  ]);
  show();
  return { tools: [...buttons.map(([, each]) => each), share], choose };
}

/** @param {HTMLElement} whole @param {HTMLElement} slider @param {Zoom} zoom @param {Modes} modes */
function followKeys(whole, slider, zoom, { choose }) {
  whole.addEventListener("keydown", (event) => {
    if (event.target === slider || event.ctrlKey || event.metaKey || event.altKey) return;
    if (KEYS[event.key.toLowerCase()]) choose(KEYS[event.key.toLowerCase()]);
    else if (!zoom.key(event)) return;
    event.preventDefault();
  });
}

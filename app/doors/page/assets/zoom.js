// A picture in a frame → the same one zoomed and moved: by the wheel, two fingers, a double tap,
// dragging and keys. Where it fits its frame, a swipe goes on to another one.
// (Components for this move an element of their own; here two aligned pictures follow one view.)

const [MOST, STEP, TWICE] = [16, 1.25, 3];
/** @type {Record<string, [number, number]>} */
const MOVES = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
const ROUNDING = 1e-6;
// Of a finger, in pixels and milliseconds.
const [TAP, SWIPE, NEAR] = [10, 50, 30];
const SECOND_TAP_WITHIN = 350;
const WHEEL = { notch: 100, line: 33, pinch: 10 }; // a trackpad's pinch comes as a wheel with Ctrl, in small steps

/**
 * How often larger than its frame a picture is, and moved by which fractions of that.
 * @typedef {{ zoom: number, x: number, y: number }} View
 * @typedef {[number, number]} Point
 * @typedef {{ left: number, top: number, width: number, height: number }} Frame
 */
/**
 * @typedef {object} Zoom
 * @property {() => boolean} isZoomed
 * @property {(dx: number, dy: number) => void} move by fractions of the frame
 * @property {(ratio: number, at?: Point) => void} by
 * @property {() => void} larger
 * @property {() => void} smaller
 * @property {() => void} whole
 * @property {(at: Point) => void} twice
 * @property {(before: Point[], after: Point[], frame: Frame) => void} pinch
 * @property {(event: KeyboardEvent) => boolean} key whether a key was one of these
 */

/** @type {View} */
export const FITTING = { zoom: 1, x: 0, y: 0 };

/**
 * Return the view moved, as far as the picture fills the frame.
 * @param {View} view
 * @param {number} dx
 * @param {number} dy
 * @param {number} [reach] how often larger than the frame the picture is by itself
 * @returns {View}
 */
export function movedView({ zoom, x, y }, dx, dy, reach = 1) {
  const most = Math.max(0, (zoom * reach - 1) / 2);
  /** @param {number} value */
  const within = (value) => Math.min(most, Math.max(-most, value));
  return { zoom, x: within(x + dx), y: within(y + dy) };
}

/**
 * Return the view zoomed so that what is at a point, in fractions from the frame's middle, stays.
 * @param {View} view
 * @param {number} by
 * @param {Point} [at]
 * @param {number} [reach]
 * @returns {View}
 */
export function zoomedView(view, by, [x, y] = [0, 0], reach = 1) {
  const zoom = Math.min(MOST, Math.max(1 / reach, view.zoom * by));
  const ratio = zoom / view.zoom;
  return movedView({ zoom, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio }, 0, 0, reach);
}

/**
 * Return the view after two fingers have moved: what lay under them lies under them still.
 * @param {View} view
 * @param {Point[]} before both fingers, in pixels
 * @param {Point[]} after
 * @param {Frame} frame
 * @param {number} [reach]
 * @returns {View}
 */
export function pinchedView(view, before, after, frame, reach = 1) {
  const [from, to] = [before, after].map((fingers) => inFrame(middleOf(fingers), frame));
  const by = distanceOf(after) / Math.max(1, distanceOf(before));
  return movedView(zoomedView(view, by, from, reach), to[0] - from[0], to[1] - from[1], reach);
}

/** @type {(fingers: Point[]) => Point} */
const middleOf = ([one, other]) => [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
/** @param {Point[]} fingers */
const distanceOf = ([one, other]) => Math.hypot(one[0] - other[0], one[1] - other[1]);
/** @type {(at: Point, frame: Frame) => Point} */
const inFrame = ([x, y], { left, top, width, height }) => [(x - left) / width - 0.5, (y - top) / height - 0.5];

/**
 * Return which way a finger has gone that was moved by so many pixels: 1 for the next, -1 for the
 * one before, 0 where it was no swipe.
 * @param {number} dx
 * @param {number} dy
 */
export function swipeOf(dx, dy) {
  if (Math.abs(dx) < SWIPE || Math.abs(dx) < 1.5 * Math.abs(dy)) return 0;
  return dx < 0 ? 1 : -1;
}

/**
 * Let the picture in `stage` be zoomed; `show` is called with each new view, and with how far a
 * swipe has pulled the picture, in pixels.
 * @param {HTMLElement} stage what hears of wheel and fingers
 * @param {object} how
 * @param {(view: View, pulled: number) => void} how.show
 * @param {(target: Element) => Frame} [how.frameAt] the frame around what is pointed at
 * @param {number} [how.reach]
 * @param {((by: number) => void) | null} [how.swipe] goes on to another picture
 * @param {boolean} [how.isFixed] whether it is only swiped, and not zoomed
 */
export function makeZoom(stage, how) {
  const { show, frameAt = () => stage.getBoundingClientRect(), reach = 1, swipe = null, isFixed = false } = how;
  let view = FITTING;
  /** @param {View} next */
  const set = (next) => {
    if (isFixed) return;
    view = next;
    stage.classList.toggle("zoomed", isZoomed());
    show(view, 0);
  };
  const isZoomed = () => view.zoom * reach > 1 + ROUNDING;
  /** @type {Zoom} */
  const zoom = {
    isZoomed,
    move: (dx, dy) => set(movedView(view, dx, dy, reach)),
    by: (ratio, at) => set(zoomedView(view, ratio, at, reach)),
    larger: () => zoom.by(STEP),
    smaller: () => zoom.by(1 / STEP),
    whole: () => set({ ...FITTING, zoom: 1 / reach }),
    twice: (at) => (view.zoom > 1 + ROUNDING ? set(FITTING) : zoom.by(TWICE, at)),
    pinch: (before, after, frame) => set(pinchedView(view, before, after, frame, reach)),
    key: (event) => byKey(zoom, event),
  };
  if (!isFixed) followWheel(stage, zoom, frameAt);
  followFingers(stage, zoom, { frameAt, swipe, pull: (pixels) => show(view, pixels) });
  return zoom;
}

/** @param {Zoom} zoom @param {KeyboardEvent} event */
function byKey(zoom, { key }) {
  if (key === "+" || key === "=") zoom.larger();
  else if (key === "-") zoom.smaller();
  else if (key === "0") zoom.whole();
  else if (MOVES[key] && zoom.isZoomed()) zoom.move(...MOVES[key]);
  else return false;
  return true;
}

/** @param {HTMLElement} stage @param {Zoom} zoom @param {(target: Element) => Frame} frameAt */
function followWheel(stage, zoom, frameAt) {
  stage.addEventListener("wheel", (event) => {
    const { deltaY, deltaMode, ctrlKey, clientX, clientY } = event;
    if (deltaY > 0 && !zoom.isZoomed() && !ctrlKey) return; // nothing to make smaller: what it lies in scrolls
    event.preventDefault();
    const notches = (deltaY * (deltaMode ? WHEEL.line : 1) * (ctrlKey ? WHEEL.pinch : 1)) / WHEEL.notch;
    zoom.by(STEP ** -Math.max(-2, Math.min(2, notches)), inFrame([clientX, clientY], frameAt(/** @type {Element} */ (event.target))));
  }, { passive: false });
}

/**
 * @param {HTMLElement} stage
 * @param {Zoom} zoom
 * @param {{ frameAt: (target: Element) => Frame, swipe: ((by: number) => void) | null, pull: (pixels: number) => void }} how
 */
function followFingers(stage, zoom, { frameAt, swipe, pull }) {
  /** @type {Map<number, Point>} */
  const down = new Map(); // pointer → where it is
  /** @type {Frame} */
  let frame; // around what the first of them was put on
  /** @type {{ from: Point, swipes: boolean } | null} */
  let one = null; // the way of one pointer alone
  /** @type {{ at: Point, time: number } | null} */
  let tap = null; // the last one

  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    /** @type {Point} */
    const at = [event.clientX, event.clientY];
    down.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    if (one) pull(0);
    const swipes = Boolean(swipe) && event.pointerType !== "mouse" && !zoom.isZoomed();
    one = down.size === 1 ? { from: at, swipes } : null;
    if (one) frame = frameAt(/** @type {Element} */ (event.target));
  });
  stage.addEventListener("pointermove", (event) => {
    const last = down.get(event.pointerId);
    if (!last) return;
    const before = [...down.values()];
    const [x, y] = [event.clientX, event.clientY];
    down.set(event.pointerId, [x, y]);
    if (down.size === 2) zoom.pinch(before, [...down.values()], frame);
    else if (one?.swipes) pull(x - one.from[0]);
    else if (down.size === 1) zoom.move((x - last[0]) / frame.width, (y - last[1]) / frame.height);
  });
  stage.addEventListener("pointerup", (event) => {
    if (!down.delete(event.pointerId) || !one) return;
    const { from, swipes } = one;
    const [dx, dy] = [event.clientX - from[0], event.clientY - from[1]];
    one = null;
    if (swipes) pull(0);
    if (Math.hypot(dx, dy) <= TAP) tapped(from, event.timeStamp);
    else if (swipes && swipeOf(dx, dy)) swipe?.(swipeOf(dx, dy));
  });
  stage.addEventListener("pointercancel", (event) => {
    if (!down.delete(event.pointerId)) return;
    if (one?.swipes) pull(0);
    one = null;
  });

  /** @param {Point} at @param {number} time */
  function tapped(at, time) {
    const again = tap && time - tap.time < SECOND_TAP_WITHIN && distanceOf([tap.at, at]) < NEAR;
    tap = again ? null : { at, time };
    if (again) zoom.twice(inFrame(at, frame));
  }
}

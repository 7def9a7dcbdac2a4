// A webcam → a picture's file, by a live view in a window's stage.

import { makeCanvas, pngOf } from "./canvas.js";
import { make } from "./make.js";
import * as session from "./session.js";

export const REPLACED = "ris:replaced"; // what a stage shows is replaced by another picture

/**
 * `stageOf` returns the stage of the live view; `take` gets the file.
 * @param {() => HTMLElement} stageOf
 * @param {(file: File) => unknown} take
 */
export function makeWebcam(stageOf, take) {
  /** @type {MediaStream | null} */
  let stream = null;
  let opening = false;
  /** @type {Node[]} */
  let before = []; // what the stage held

  document.addEventListener(REPLACED, ({ target }) => {
    if (target === stageOf()) stop();
  });

  function stop() {
    for (const track of stream?.getTracks() || []) track.stop();
    stream = null;
  }

  async function open() {
    if (stream || opening) return;
    opening = true;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      session.say(whyNoWebcam(/** @type {DOMException} */ (error)));
      return;
    } finally {
      opening = false;
    }
    const stage = stageOf();
    before = [...stage.childNodes];
    stage.replaceChildren(...liveView(stream));
  }

  function close() {
    stop();
    stageOf().replaceChildren(...before);
  }

  async function capture() {
    const video = stageOf().querySelector("video");
    if (!video?.videoWidth) return;
    const { canvas, context } = makeCanvas(video.videoWidth, video.videoHeight);
    context.drawImage(video, 0, 0);
    close();
    take(new File([await pngOf(canvas)], "webcam.png", { type: "image/png" }));
  }

  return { open, close, capture };
}

/** @param {MediaStream} stream */
function liveView(stream) {
  const video = make("video", { autoplay: true, muted: true, playsInline: true, srcObject: stream });
  /** @param {string} name @param {string} text */
  const action = (name, text) => make("button", { type: "button", "data-action": name }, text);
  const buttons = make(
    "div", { class: "webcam-buttons" }, action("capture", "Take picture"), action("stop-webcam", "Cancel"),
  );
  return [video, buttons];
}

/** @param {{ name: string }} error */
export function whyNoWebcam({ name }) {
  if (!navigator.mediaDevices) {
    return "A webcam can only be used over https, or on the machine that serves this page: choose a file.";
  }
  if (name === "NotFoundError") return "No webcam was found: connect one, or choose a file.";
  if (name === "NotAllowedError") return "The webcam was refused: allow it in the browser, or choose a file.";
  return `The webcam cannot be used (${name}): close other programs that use it, or choose a file.`;
}

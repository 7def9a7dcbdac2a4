// A webcam → a picture's file, by a live view in a window's stage.

import { make } from "./make.js";
import * as session from "./session.js";

export const REPLACED = "ris:replaced"; // what a stage shows is replaced by another picture

// `stageOf` returns the stage of the live view; `take` gets the file.
export function makeWebcam(stageOf, take) {
  let stream = null;
  let opening = false;
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
      session.say(whyNoWebcam(error));
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

  function capture() {
    const video = stageOf().querySelector("video");
    if (!video?.videoWidth) return;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    close();
    canvas.toBlob((blob) => take(new File([blob], "webcam.png", { type: "image/png" })), "image/png");
  }

  return { open, close, capture };
}

function liveView(stream) {
  const video = document.createElement("video");
  Object.assign(video, { autoplay: true, muted: true, playsInline: true, srcObject: stream });
  const action = (name, text) => make("button", { type: "button", "data-action": name }, text);
  const buttons = make(
    "div", { class: "webcam-buttons" }, action("capture", "Take picture"), action("stop-webcam", "Cancel"),
  );
  return [video, buttons];
}

export function whyNoWebcam({ name }) {
  if (!navigator.mediaDevices) {
    return "A webcam can only be used over https, or on the machine that serves this page: choose a file.";
  }
  if (name === "NotFoundError") return "No webcam was found: connect one, or choose a file.";
  if (name === "NotAllowedError") return "The webcam was refused: allow it in the browser, or choose a file.";
  return `The webcam cannot be used (${name}): close other programs that use it, or choose a file.`;
}

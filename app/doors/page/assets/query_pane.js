// One of the two windows. "original" takes a picture by drop, paste, file or webcam; "edit" shows
// what is searched with: turned, mirrored, a rectangle drawn on it.

import * as session from "./session.js";
import { makeBox } from "./box.js";
import { mirroredBox, shownSource, turnedBox } from "./turned.js";

export function start({ element, which, upload, mostBytes }) {
  const stage = element.querySelector(".stage");
  const webcam = which === "original" ? makeWebcam(stage, take, show) : null;
  let shown = null; // what is in the stage

  async function show() {
    const value = session.state[which];
    stage.classList.toggle("busy", session.state.busy && which === "edit");
    const wanted = value ? JSON.stringify([value.src, value.box, value.turns, value.mirrored]) : "";
    if (shown === wanted) return;
    shown = wanted;
    webcam?.stop();
    stage.classList.toggle("filled", Boolean(value));
    if (!value) {
      stage.replaceChildren(invitation());
      return;
    }
    const image = new Image();
    image.alt = value.name || "The query";
    image.draggable = false;
    image.src = await shownSource(which === "edit" ? value : { src: value.src });
    if (shown !== wanted) return;
    const frame = document.createElement("div");
    frame.className = "frame";
    frame.append(image);
    if (which === "edit") makeBox(frame, value.box || null, (box) => edit({ box }));
    const held = stage.contains(document.activeElement);
    stage.replaceChildren(frame);
    if (held) [...frame.querySelectorAll(".box:not([hidden])"), frame][0].focus();
  }

  function invitation() {
    const text = document.createElement("p");
    text.className = "invitation";
    text.textContent = which === "original"
      ? "Drop a picture anywhere on this page, paste one, or choose a way below"
      : "The picture to search with appears here. Drag a rectangle on it to search with a part.";
    return text;
  }

  function edit(change) {
    const value = session.state.edit;
    if (value) session.ask({ ...value, ...change }, { isEdit: true });
    else session.say("There is nothing in the edit window yet.");
  }

  async function take(file) {
    if (!file) return;
    if (file.size > mostBytes) {
      session.say(`${file.name || "The picture"} is larger than ${mostBytes / 1e6} MB: choose a smaller one.`);
      return;
    }
    const number = session.begin();
    try {
      const { path } = await upload(file);
      if (!session.isLatest(number)) return; // something else was asked meanwhile
      await session.ask({ kind: "upload", path, name: file.name || "picture" });
    } catch {
      if (!session.isLatest(number)) return;
      session.set({ busy: false });
      session.say(
        `${file.name || "The picture"} could not be uploaded: the server did not take it; `
        + "try again, or choose a smaller one.",
      );
    }
  }

  const actions = {
    choose: () => element.querySelector("input[type=file]").click(),
    webcam: () => webcam.open(),
    capture: () => webcam.capture(),
    "stop-webcam": () => webcam.close(),
    random: () => session.ask({ kind: "random" }),
    "mirror-to-edit": session.mirrorToEdit,
    "mirror-to-original": session.mirrorToOriginal,
    turn: () => {
      const { turns = 0, box } = session.state.edit || {};
      edit({ turns: (turns + 1) % 4, box: box && turnedBox(box) });
    },
    flip: () => {
      const { mirrored = false, box } = session.state.edit || {};
      edit({ mirrored: !mirrored, box: box && mirroredBox(box) });
    },
    "clear-box": () => { if (session.state.edit?.box) edit({ box: null }); },
  };
  element.addEventListener("click", (event) => {
    actions[event.target.closest("[data-action]")?.dataset.action]?.();
  });
  if (which === "original") {
    element.addEventListener("change", (event) => {
      take(event.target.files?.[0]);
      event.target.value = "";
    });
    takeFromAnywhere(element, take);
  }
  session.onChange(show);
}

// Anywhere on the page: a missed drop must not make the browser leave it.
function takeFromAnywhere(element, take) {
  document.addEventListener("dragover", (event) => {
    if (event.target.closest("input[type=file]")) return;
    event.preventDefault();
    element.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) element.classList.remove("dragging");
  });
  let own = null; // an example or a result of this page, being dragged
  document.addEventListener("dragstart", (event) => {
    own = event.target.closest?.("[data-image]");
  });
  document.addEventListener("dragend", () => { own = null; });
  document.addEventListener("drop", (event) => {
    if (event.target.closest("input[type=file]")) return; // of the form for a new gallery
    event.preventDefault();
    element.classList.remove("dragging");
    if (own) {
      if (!own.contains(event.target)) session.ask(JSON.parse(own.dataset.image));
      return;
    }
    const url = event.dataTransfer.getData("text/uri-list");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    else if (url) session.ask({ kind: "url", url });
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file) {
      event.preventDefault();
      take(file);
    } else if (!event.target.closest("input, textarea")) {
      const text = event.clipboardData.getData("text/plain").trim();
      if (/^https?:\/\//.test(text)) session.ask({ kind: "url", url: text });
    }
  });
}

function whyNoWebcam({ name }) {
  if (!navigator.mediaDevices) {
    return "A webcam can only be used over https, or on the machine that serves this page: choose a file.";
  }
  if (name === "NotFoundError") return "No webcam was found: connect one, or choose a file.";
  if (name === "NotAllowedError") return "The webcam was refused: allow it in the browser, or choose a file.";
  return `The webcam cannot be used (${name}): close what else uses it, or choose a file.`;
}

function makeWebcam(stage, take, show) {
  let stream = null;
  let opening = false;

  function stop() {
    stream?.getTracks().forEach((track) => track.stop());
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
    const video = document.createElement("video");
    Object.assign(video, { autoplay: true, muted: true, playsInline: true, srcObject: stream });
    const buttons = document.createElement("div");
    buttons.className = "webcam-buttons";
    buttons.append(button("Take picture", "capture"), button("Cancel", "stop-webcam"));
    before = [...stage.childNodes];
    stage.replaceChildren(video, buttons);
  }

  let before = [];
  function close() {
    stop();
    stage.replaceChildren(...before);
    show();
  }

  function capture() {
    const video = stage.querySelector("video");
    if (!video?.videoWidth) return;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    close();
    canvas.toBlob((blob) => take(new File([blob], "webcam.png", { type: "image/png" })), "image/png");
  }

  return { open, close, capture, stop };
}

function button(text, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.dataset.action = action;
  return made;
}

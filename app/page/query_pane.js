// One window of the page: shows a picture, takes one by drop, paste, file or webcam (original),
// or a rectangle drawn on it (edit). Gradio runs this once for each window, with `element`,
// `props`, `trigger`, `upload` and `watch` of gr.HTML.
// Events: 'arrived' {path, name}, 'addressed' {url}, 'cropped' {}, 'mirrored' {}, 'refused' {message}.

const takesPictures = props.takes_pictures;
const stage = () => element.querySelector(".stage");
let stream = null; // of the webcam, while it is open
let opening = false;

function render() {
  const value = props.value;
  const place = stage();
  if (!place || place.dataset.shown === JSON.stringify(value)) return;
  place.dataset.shown = JSON.stringify(value);
  place.classList.toggle("filled", Boolean(value));
  place.replaceChildren();
  stopStream();
  if (!value) {
    place.append(invitation());
    return;
  }
  const frame = document.createElement("div");
  frame.className = "frame";
  const image = document.createElement("img");
  image.src = value.src;
  image.alt = value.name;
  image.draggable = false;
  frame.append(image);
  if (!takesPictures) {
    const box = document.createElement("div");
    box.className = "box";
    frame.append(box);
    place.classList.add("croppable");
    drawBox(box, value.box);
  }
  place.append(frame);
}

function invitation() {
  const text = document.createElement("p");
  text.className = "invitation";
  text.textContent = takesPictures
    ? "Drop a picture here, paste one, or choose a way below"
    : "The picture to search with appears here. Drag a rectangle on it to search with a part.";
  return text;
}

function drawBox(box, value) {
  box.hidden = !value;
  if (!value) return;
  const [left, top, right, bottom] = value.map((part) => `${100 * part}%`);
  box.style.left = left;
  box.style.top = top;
  box.style.width = `calc(${right} - ${left})`;
  box.style.height = `calc(${bottom} - ${top})`;
}

async function take(file) {
  if (!file) return;
  element.classList.add("busy");
  try {
    const { path } = await upload(file);
    trigger("arrived", { path, name: file.name || "picture" });
  } catch (error) {
    trigger("refused", { message: `${file.name || "The picture"} could not be uploaded: ${error.message}` });
  } finally {
    element.classList.remove("busy");
  }
}

// --- webcam ------------------------------------------------------------------------------------

async function openWebcam() {
  if (stream || opening) return;
  opening = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    trigger("refused", {
      message: `The webcam cannot be used (${error.name}): allow it in the browser, or choose a file.`,
    });
    return;
  } finally {
    opening = false;
  }
  const video = document.createElement("video");
  Object.assign(video, { autoplay: true, muted: true, playsInline: true, srcObject: stream });
  const buttons = document.createElement("div");
  buttons.className = "webcam-buttons";
  buttons.append(button("Take picture", "capture"), button("Cancel", "stop-webcam"));
  const place = stage();
  place.dataset.shown = "webcam";
  place.replaceChildren(video, buttons);
}

function button(text, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.dataset.action = action;
  return made;
}

function capture() {
  const video = element.querySelector("video");
  if (!video || !video.videoWidth) return;
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  closeWebcam();
  canvas.toBlob((blob) => take(new File([blob], "webcam.png", { type: "image/png" })), "image/png");
}

function stopStream() {
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
}

function closeWebcam() {
  stopStream();
  render();
}

// --- events ------------------------------------------------------------------------------------

const actions = {
  choose: () => element.querySelector("input[type=file]").click(),
  webcam: openWebcam,
  capture,
  "stop-webcam": closeWebcam,
  "clear-box": () => setBox(null),
  mirror: () => trigger("mirrored", {}),
};

element.addEventListener("click", (event) => {
  const action = event.target.closest("[data-action]");
  if (action && actions[action.dataset.action]) actions[action.dataset.action]();
});

function setBox(box) {
  if (!props.value) return;
  const changed = JSON.stringify(props.value.box) !== JSON.stringify(box);
  props.value = { ...props.value, box };
  render();
  if (changed) trigger("cropped", {});
}

if (takesPictures) {
  element.addEventListener("change", (event) => {
    if (event.target.type !== "file") return;
    take(event.target.files[0]);
    event.target.value = "";
  });
  // Anywhere on the page: a missed drop must not make the browser leave it.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) element.classList.remove("dragging");
  });
  let ownPicture = null;
  document.addEventListener("dragstart", (event) => {
    ownPicture = event.target.closest?.(".example, .hit");
  });
  document.addEventListener("dragend", () => { ownPicture = null; });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("dragging");
    if (ownPicture) {
      // An example or a result: as if its button had been clicked.
      if (!ownPicture.contains(event.target)) (ownPicture.querySelector("button") || ownPicture).click();
      return;
    }
    const url = event.dataTransfer.getData("text/uri-list");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    else if (url) trigger("addressed", { url });
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file) {
      event.preventDefault();
      take(file);
    } else if (!event.target.closest("input, textarea")) {
      const text = event.clipboardData.getData("text/plain").trim();
      if (/^https?:\/\//.test(text)) trigger("addressed", { url: text });
    }
  });
} else {
  let start = null;
  const at = (event) => {
    const area = element.querySelector(".frame").getBoundingClientRect();
    const within = (part) => Math.min(1, Math.max(0, part));
    return [
      within((event.clientX - area.left) / area.width),
      within((event.clientY - area.top) / area.height),
    ];
  };
  const between = ([x, y]) => [
    Math.min(x, start[0]), Math.min(y, start[1]), Math.max(x, start[0]), Math.max(y, start[1]),
  ];
  const largeEnough = ([left, top, right, bottom]) => right - left > 0.02 && bottom - top > 0.02;
  element.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".frame") || !event.isPrimary || event.button !== 0) return;
    start = at(event);
    event.target.closest(".stage").setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  element.addEventListener("pointermove", (event) => {
    if (!start) return;
    const box = between(at(event));
    if (largeEnough(box)) drawBox(element.querySelector(".box"), box);
  });
  element.addEventListener("pointerup", (event) => {
    if (!start) return;
    const box = between(at(event));
    start = null;
    setBox(largeEnough(box) ? box : null);
  });
  element.addEventListener("pointercancel", () => {
    start = null;
    if (props.value) drawBox(element.querySelector(".box"), props.value.box);
  });
}

watch("value", render);
render();

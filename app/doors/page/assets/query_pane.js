// One of the two windows. "original" takes a picture by drop, paste, file or webcam; "edit" shows
// what is searched with: turned, mirrored, a rectangle drawn on it.

import { makeBox } from "./box.js";
import { takeFromAnywhere } from "./drop_and_paste.js";
import { leftOut, MOST_PICTURES, shortened } from "./dropped.js";
import { make } from "./make.js";
import { makeOutline, outlinedHit, regionInQuery } from "./outlines.js";
import { mirrored, turned } from "./rectangle.js";
import * as session from "./session.js";
import { shownSource } from "./turned.js";
import { makeWebcam } from "./webcam.js";

const INVITATIONS = {
  original: "Drop a picture anywhere on this page, paste one, or choose a way below",
  edit: "The picture to search with appears here. Drag a rectangle on it to search with a part.",
};

export function start({ element, which, upload, mostBytes }) {
  const stage = element.querySelector(".stage");
  const take = (files, others = "") => takeFiles(files, others, upload, mostBytes);
  let isFurther = false; // whether the files that are chosen next are searched with, too
  const choose = (further) => {
    isFurther = further;
    element.querySelector("input[type=file]").click();
  };
  const show = makeStage(stage, which, () => webcam?.stop());
  const webcam = which === "original" ? makeWebcam(stage, (file) => take([file]), show) : null;
  const actions = which === "original" ? actionsOfOriginal(choose, webcam) : actionsOfEdit();
  element.addEventListener("click", (event) => {
    actions[event.target.closest("[data-action]")?.dataset.action]?.();
  });
  if (which === "original") {
    element.addEventListener("change", (event) => {
      const files = [...event.target.files || []];
      const pictures = files.slice(0, MOST_PICTURES);
      if (isFurther) takeFurther(pictures, leftOut(files, pictures), upload, mostBytes);
      else take(pictures, leftOut(files, pictures));
      event.target.value = "";
    });
    takeFromAnywhere(element, take);
  }
  session.onChange(show);
  if (which === "edit") session.onChange(() => showOutline(stage));
}

// Return the function that shows the session's picture in a stage; `replaced` is called before.
function makeStage(stage, which, replaced) {
  let shown = null;
  return async () => {
    const value = session.state[which];
    stage.classList.toggle("busy", session.state.busy && which === "edit");
    const wanted = value ? JSON.stringify([value.src, value.box, value.turns, value.mirrored]) : "";
    if (shown === wanted) return;
    shown = wanted;
    replaced();
    stage.classList.toggle("filled", Boolean(value));
    if (!value) {
      stage.replaceChildren(make("p", { class: "invitation" }, INVITATIONS[which]));
      return;
    }
    const frame = await makeFrame(value, which);
    if (shown !== wanted) return;
    const hadFocus = stage.contains(document.activeElement);
    stage.replaceChildren(frame);
    if (which === "edit") showOutline(stage);
    if (hadFocus) [...frame.querySelectorAll(".box:not([hidden])"), frame][0].focus();
  };
}

// Show where the picture that was found lies in the query's.
function showOutline(stage) {
  const frame = stage.querySelector(".frame");
  if (!frame) return;
  const corners = regionInQuery(outlinedHit(session.state)?.match, session.state.edit?.box);
  const key = JSON.stringify(corners);
  if (frame.dataset.outlined === key) return;
  frame.dataset.outlined = key;
  frame.querySelector(".outline")?.remove();
  frame.append(...[makeOutline(corners)].filter(Boolean));
}

async function makeFrame(value, which) {
  const src = await shownSource(which === "edit" ? value : { src: value.src });
  const image = make("img", { alt: value.name || "The query", draggable: false, src });
  const frame = make("div", { class: "frame" }, image);
  if (which === "edit") makeBox(frame, value.box || null, (box) => edit({ box }));
  return frame;
}

function edit(change) {
  const value = session.state.edit;
  if (value) session.ask({ ...value, ...change }, { isEdit: true });
  else session.say("There is nothing in the edit window yet: drop or choose a picture.");
}

function actionsOfOriginal(choose, webcam) {
  return {
    choose: () => choose(false),
    "choose-further": () => choose(true),
    webcam: webcam.open,
    capture: webcam.capture,
    "stop-webcam": webcam.close,
    random: () => session.ask({ kind: "random" }),
    "copy-to-edit": session.copyToEdit,
  };
}

function actionsOfEdit() {
  return {
    "copy-to-original": session.copyToOriginal,
    rotate: () => {
      const { turns = 0, box } = session.state.edit || {};
      edit({ turns: (turns + 1) % 4, box: box && turned(box) });
    },
    mirror: () => {
      const { mirrored: was = false, box } = session.state.edit || {};
      edit({ mirrored: !was, box: box && mirrored(box) });
    },
    "clear-crop": () => { if (session.state.edit?.box) edit({ box: null }); },
  };
}

// Upload a file and search with it, and with those that came along; `others` is said of the rest.
async function takeFiles([file, ...further], others, upload, mostBytes) {
  if (!file) return;
  const name = file.name || "The picture";
  const say = (sentence) => session.say(others ? `${sentence} ${others}` : sentence);
  if (file.size > mostBytes) {
    say(tooLarge(name, mostBytes));
    return;
  }
  const number = session.begin();
  try {
    const { path } = await upload(file);
    if (!session.isLatest(number)) return; // something else was asked meanwhile
    const isFound = await session.ask({ kind: "upload", path, name: file.name || "picture" });
    if (isFound && further.length) {
      const which = `${shortened(name)} and ${further.length} more`;
      await takeFurther(further, others && `Searched with ${which}; ${others}`, upload, mostBytes);
    } else if (others && !session.state.busy) say(session.state.message || `Searched with ${shortened(name)};`);
  } catch {
    if (!session.isLatest(number)) return;
    session.set({ busy: false });
    say(notTaken(name));
  }
}

// Upload files that are searched with besides what is asked already.
async function takeFurther(files, others, upload, mostBytes) {
  const fitting = files.filter(({ size }) => size <= mostBytes);
  const wrong = files.filter((file) => !fitting.includes(file)).map(({ name }) => tooLarge(name, mostBytes));
  const number = session.begin();
  const uploaded = await Promise.all(fitting.map(async (file) => {
    const { path } = await upload(file).catch(() => ({}));
    if (!path) wrong.push(notTaken(file.name));
    return { path, name: file.name || "picture" };
  }));
  if (!session.isLatest(number)) return;
  session.set({ busy: false });
  wrong.push(...await session.addPictures(uploaded.filter(({ path }) => path)));
  const sentences = [...wrong, others].filter(Boolean);
  if (sentences.length) session.say(sentences.join(" "));
}

const tooLarge = (name, mostBytes) => `${name} is larger than ${mostBytes / 1e6} MB: choose a smaller one.`;

const notTaken = (name) => (
  `${name} could not be uploaded: the server did not take it; try again, or choose a smaller one.`
);

// The ways to a picture besides dropping it: a file, the webcam, a random one; and further ones.

import { takeFromAnywhere } from "./drop_and_paste.js";
import { leftOut, MOST_PICTURES } from "./dropped.js";
import { allIn, closest, enableButtons, findIn } from "./make.js";
import { isOpen, onPanels, open, toggle } from "./panels.js";
import * as session from "./session.js";
import { takeFiles, takeFurther } from "./uploads.js";
import { makeWebcam } from "./webcam.js";

const { state } = session;
export const CHOOSE = "ris:choose"; // asked for by who shows that a picture can be chosen

/** @import { Part, Upload } from "../types.js" */

/** @param {Part & { upload: Upload, mostBytes: number }} part */
export function start({ element, upload, mostBytes }) {
  /** @type {HTMLInputElement} */
  const input = findIn(element, "input[type=file]");
  /** @param {File[]} files */
  const take = (files, others = "") => takeFiles(files, others, upload, mostBytes);
  let isFurther = false; // whether the files that are chosen next are searched with, too
  /** @param {boolean} further */
  const choose = (further) => {
    isFurther = further;
    input.click();
  };
  const webcam = makeWebcam(() => findIn(document, "#original .stage"), (file) => take([file]));
  /** @type {Record<string, () => unknown>} */
  const actions = {
    "to-results": () => /** @type {HTMLElement | null} */ (document.querySelector(".hit .open"))?.focus(),
    ways: () => toggle("ways"),
    choose: () => choose(false),
    "choose-further": () => choose(true),
    webcam: () => {
      open("editor");
      webcam.open();
    },
    capture: webcam.capture,
    "stop-webcam": webcam.close,
    random: () => session.ask({ kind: "random" }),
  };
  document.addEventListener("click", (event) => {
    actions[closest(event, "[data-action]")?.dataset.action ?? ""]?.();
  });
  enableButtons(element);
  document.addEventListener(CHOOSE, actions.choose);
  input.addEventListener("change", () => {
    const files = [...input.files || []];
    const pictures = files.slice(0, MOST_PICTURES);
    if (isFurther) takeFurther(pictures, leftOut(files, pictures), upload, mostBytes);
    else take(pictures, leftOut(files, pictures));
    input.value = "";
  });
  takeFromAnywhere(input.accept, take);
  const [further, others] = [".further", ".others"].map((name) => findIn(element, name));
  onPanels(() => others.setAttribute("aria-expanded", `${isOpen("ways")}`));
  session.onChange(() => {
    further.hidden = !session.isAsked() || state.browsing;
    for (const skip of allIn(document, ".skip")) skip.hidden = !state.results?.hits.length;
  });
}

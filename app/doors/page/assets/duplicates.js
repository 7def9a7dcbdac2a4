// Near duplicates of a gallery, in a window of their own: found in the background, shown in
// groups, the best first, decided on and saved. Nothing is deleted.

import { alignmentOf } from "./align.js";
import { makeComparison } from "./compare.js";
import { watchBuild } from "./create_progress.js";
import { makeGroups } from "./duplicate_groups.js";
import { findingWords, foundWords } from "./duplicate_lists.js";
import { fileNameOf } from "./image_facts.js";
import { makeJob } from "./job.js";
import { button, findIn, focusedIn, make } from "./make.js";

/** @import { Ask, Duplicate, Duplicates } from "../types.js" */
/** @import { Compare, Image } from "./duplicate_groups.js" */

/** @type {ReturnType<typeof makeWindow> | null} */
let opened = null;

/**
 * Show the window of a gallery's near duplicates.
 * @param {Ask} ask sends requests to the server
 * @param {string} name the gallery's
 */
export function openDuplicates(ask, name) {
  if (opened?.gallery !== name) {
    opened?.dialog.remove();
    opened = makeWindow(ask, name);
    document.body.append(opened.dialog);
  }
  opened.open();
}

export const closeDuplicates = () => opened?.dialog.close();

/** @param {Ask} ask @param {string} gallery */
function makeWindow(ask, gallery) {
  const parts = {
    found: make("p", { class: "found", role: "status" }),
    find: button("Find near duplicates", find, { class: "primary" }),
    outdated: make("p", { class: "notice", hidden: true }, "The gallery has changed since this search."),
  };
  const groups = makeGroups({
    gallery, ask, show, read: (kinds) => ask("duplicates", { gallery, kinds }), compare: (image, better) => compare(image, better),
  });
  const watch = watchBuild(ask, {
    show: () => job.show(), say: (message) => job.say(message), done: load,
    look: () => ask("finding", { gallery }),
  });
  const job = makeJob({
    ask, watch, words: findingWords, isOwn: () => true,
    changed: () => { parts.find.disabled = job.isBusy(); },
    outcomeOf: ({ state: ended, message }) => (ended === "stopped" ? [make("p", {}, message)] : []),
    cancel: (send) => send("stop_finding", { gallery }),
  });

  function find() {
    job.say("");
    job.once(() => job.change("find_duplicates", { gallery }, watch.began));
  }

  async function load() {
    const { message, progress, ...answer } = await ask("duplicates", { gallery, kinds: groups.kinds() });
    job.say(message);
    if (!progress) return;
    watch.take(progress);
    job.show();
    show(answer.duplicates, false);
    groups.take(answer);
  }

  /** @param {Duplicates | undefined} duplicates @param {boolean} some */
  function show(duplicates, some) {
    parts.found.textContent = duplicates ? foundWords(duplicates, some) : "";
    parts.outdated.hidden = !duplicates?.outdated;
    parts.find.textContent = duplicates ? "Search again" : "Find near duplicates";
    parts.find.classList.toggle("primary", !duplicates || duplicates.outdated);
  }

  const { dialog, compare } = windowOf(gallery, [
    parts.outdated, make("div", { class: "begin" }, parts.find, parts.found),
    make("div", { class: "job" }, Object.values(job.elements)), groups.element,
  ]);
  return {
    gallery, dialog,
    open: () => {
      dialog.showModal();
      dialog.focus();
      load();
    },
  };
}

/**
 * Return a dialog, and what shows two pictures in it instead of the content. Esc leads back first.
 * @param {string} gallery
 * @param {HTMLElement[]} content
 */
function windowOf(gallery, content) {
  const title = make("h2", { id: "duplicates-title" });
  const back = button("Back", () => leave(), { "aria-keyshortcuts": "Escape", hidden: true });
  const close = button("Close", () => dialog.close());
  const whole = make("div", {}, make("p", { class: "lead" },
    "Images that show one picture, the best first: the most pixels, then the most bytes, then the oldest file. "
    + "Comparing them takes minutes where there are thousands. Nothing is deleted."), content);
  const two = make("div", {});
  /** @type {HTMLDialogElement} */
  const dialog = make(
    "dialog", { class: "detail duplicates", "aria-labelledby": "duplicates-title", tabindex: "-1" },
    make("header", {}, title, back, close), whole, two,
  );
  /** @type {[HTMLElement | null, number] | null} */
  let before = null; // what had the keyboard, and how far was scrolled

  /** @param {string} words @param {HTMLElement} [comparison] */
  function show(words, comparison) {
    title.textContent = words;
    two.replaceChildren(...(comparison ? [comparison] : []));
    whole.hidden = Boolean(comparison);
    back.hidden = !comparison;
  }

  /** @type {Compare} */
  function compare(image, better) {
    before = [focusedIn(document.body), dialog.scrollTop];
    const [one, other] = [image, better].map(({ path, image_url }) => ({ src: `${image_url}?fallback=thumbnail`, name: path }));
    const aligned = alignmentOf({ ...better, match: image.match });
    show(`${fileNameOf(image)} and ${fileNameOf(better)}`, makeComparison(one, other, aligned, ["Copy", "Better one"]));
    findIn(dialog, ".comparison").focus();
    dialog.scrollTop = 0;
  }

  function leave() {
    show(`Near duplicates in ${gallery}`);
    if (!before) return;
    before[0]?.focus();
    dialog.scrollTop = before[1];
    before = null;
  }

  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", leave);
  dialog.addEventListener("cancel", (event) => {
    if (!before) return;
    event.preventDefault();
    leave();
  });
  leave();
  return { dialog, compare };
}

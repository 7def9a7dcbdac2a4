// One gallery in the panel: what it holds and where that is from, whether it is up to date, and what
// can be done with it.

import { button, findIn, make } from "./make.js";
import { makeForms } from "./manage_forms.js";
import { detailsOf, moment, remarksOf, sightOf } from "./terms.js";

/** @import { Ask, Gallery } from "../types.js" */
/** @typedef {ReturnType<typeof makeRow>} Row */
/**
 * @typedef {object} Acts what the panel does
 * @property {Ask} ask
 * @property {(name: string) => unknown} use
 * @property {(name: string) => unknown} update
 * @property {(name: string) => unknown} near shows its near duplicates
 * @property {(name: string, files: File[]) => Promise<string | undefined>} add
 * @property {(name: string) => void} forget
 * @property {() => boolean} manages whether galleries can be changed
 * @property {() => string[]} suffixes of pictures
 * @property {(before: string, now: string) => void} renamed
 * @property {(name: string) => () => void} deleted
 */

/**
 * Return a row of the panel: its `element`, `show` for a gallery's facts and whether it is the chosen
 * one, `check` to look for changes in its folders, `setBusy` while a job is at work, and `focus`.
 * @param {Acts} acts
 */
export function makeRow(acts) {
  /** @type {Gallery} */
  let gallery;
  let shown = "";
  /** @type {ReturnType<typeof makeForms> | null} */
  let forms = null;
  const title = make("h3", {});
  const facts = make("p", { class: "facts" });
  const refused = make("p", { class: "message", hidden: true });
  const waiting = make("p", { class: "waiting-for" });
  const use = button("Use", () => acts.use(gallery.name));
  const update = button("Update", () => acts.update(gallery.name));
  const near = button("Near duplicates", () => acts.near(gallery.name));
  const change = lazy("Change", "change", () => {
    forms = makeForms({ ...acts, suffixes: acts.suffixes(), current: () => gallery });
    forms.show(gallery);
    forms.setBusy(update.disabled);
    return [forms.element];
  });
  const details = lazy("Details", "about", () => [detailsOf(gallery)]);
  const line = make("div", { class: "line" }, use, update, near, change, details);
  const element = make("li", { class: "gallery" }, title, facts, refused, waiting, line);

  /** @param {Gallery} now @param {boolean} isChosen */
  function show(now, isChosen) {
    if (gallery?.name === now.name && gallery.changed !== now.changed) waiting.textContent = ""; // it is looked for anew
    gallery = now;
    const wanted = JSON.stringify([now, isChosen, acts.manages()]);
    if (wanted === shown) return;
    shown = wanted;
    element.dataset.gallery = now.name;
    showWords({ title, facts, refused }, now, isChosen);
    const isOne = !now.name.includes(","); // several are changed one by one
    use.hidden = isChosen || Boolean(now.refused);
    near.hidden = !isOne || Boolean(now.refused) || !now.images;
    update.hidden = waiting.hidden = !isOne || Boolean(now.refused) || !acts.manages();
    change.hidden = !isOne || !acts.manages();
    details.hidden = Boolean(now.refused);
    for (const each of [use, update, near]) each.setAttribute("aria-label", `${each.textContent}: ${now.name}`);
    for (const summary of [change, details].map((each) => findIn(each, "summary"))) {
      summary.setAttribute("aria-label", `${summary.textContent}: ${now.name}`);
    }
    if (details.open) details.fill();
    forms?.show(now);
  }

  // Look whether its folders hold what it holds; it takes as long as listing them does.
  async function check() {
    if (waiting.hidden) return;
    const { name } = gallery;
    waiting.textContent ||= "Looking for changes …";
    const answer = await acts.ask("waiting", { gallery: name });
    if (gallery.name === name) waiting.textContent = answer.message || stateOf(answer.waiting);
  }

  return {
    element, show, check,
    /** @param {boolean} now */
    setBusy: (now) => {
      update.disabled = now;
      forms?.setBusy(now);
    },
    focus: () => {
      const [first] = [update, use, near].filter((each) => !each.hidden && !each.disabled && element.isConnected);
      first?.focus();
      return Boolean(first);
    },
  };
}

/** @param {Record<"title" | "facts" | "refused", HTMLElement>} parts @param {Gallery} gallery @param {boolean} isChosen */
function showWords(parts, gallery, isChosen) {
  const { name, title, refused, images, sources, data, changed, created } = gallery;
  parts.title.replaceChildren(...[
    title || name, title && !name.includes(",") && make("span", { class: "name" }, name),
    isChosen && make("span", { class: "chosen" }, "searched now"),
  ].flatMap((each) => each || []));
  parts.refused.textContent = refused;
  parts.refused.hidden = !refused;
  const when = changed ? `changed ${moment(changed)}` : created && `built ${moment(created)}`;
  const from = sources?.join(", ") || data;
  parts.facts.replaceChildren(...(refused || images === undefined ? [] : [
    [sightOf(gallery), from && `from ${from}`, when].filter(Boolean).join(" · "),
    ...remarksOf(gallery).map((remark) => make("span", { class: "remark" }, remark)),
  ]));
}

/** @param {number} number @param {string} words */
const counted = (number, words) => (number ? [`${number.toLocaleString("en")} ${words}`] : []);

/**
 * Return whether a gallery is up to date with its folders, in words.
 * @param {{new: number, changed: number, gone: number} | null} waiting files that an update would find
 * @returns {string}
 */
export function stateOf(waiting) {
  if (!waiting) return "It was not made of a folder: changes are not looked for.";
  const files = [...counted(waiting.new, "new"), ...counted(waiting.changed, "changed"), ...counted(waiting.gone, "gone")];
  return files.length ? `Not up to date: ${files.join(", ")} in its folder.` : "Up to date.";
}

/**
 * Return a part of the row that is filled when it is opened; one is open at a time.
 * @param {string} words
 * @param {string} name
 * @param {() => Node[]} content
 */
function lazy(words, name, content) {
  const sheet = make("div", { class: "sheet" });
  const part = make("details", { class: name, name: "gallery-part" }, make("summary", {}, words), sheet);
  const made = Object.assign(part, { fill: () => sheet.replaceChildren(...content()) });
  made.addEventListener("toggle", () => {
    if (made.open && (name === "about" || !sheet.children.length)) made.fill();
  });
  return made;
}

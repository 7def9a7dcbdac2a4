// Near duplicates → groups of cards, in portions, and decisions that some are none.

import { afterDecision, differentIn, factsOf, roleOf } from "./duplicate_lists.js";
import { makeTools, sourcesOf } from "./duplicate_tools.js";
import { wayToFolder } from "./folder.js";
import { fileNameOf, wholePath } from "./image_facts.js";
import { allIn, button, make } from "./make.js";

/** @import { Answer, Ask, Duplicate, Duplicates, Group, Id, KeptApart } from "../types.js" */
/** @typedef {Group | KeptApart} Entry */
/** @typedef {Group["best"] | Duplicate} Image */
/** @typedef {(image: Duplicate, better: Image) => void} Compare */
/** @typedef {import("../types.js").At<HTMLInputElement>} Chosen */
/** @typedef {{ choose: (event: Chosen) => void, compare: Compare, sources: string[] }} Acts */

const STEP = 20;

/**
 * Return the list of groups.
 * @param {object} how
 * @param {string} how.gallery
 * @param {Ask} how.ask
 * @param {(kinds: string[]) => Promise<Answer>} how.read gets the kinds to show
 * @param {(duplicates: Duplicates, some: boolean) => void} how.show takes what that found, and whether
 *   not all kinds were asked for
 * @param {Compare} how.compare gets two images
 */
export function makeGroups({ gallery, ask, read, show, compare }) {
  /** @type {Entry[]} */
  let entries = [];
  let off = "";
  /** @type {Set<string>} */
  const chosen = new Set(); // ids, as text
  const problem = make("div", { role: "alert" });
  const list = makeList((entry, at) => (entry.kept
    ? keptItem(entry, () => decide("forget_apart", entry, entry.ids))
    : groupItem(entry, at, { choose, compare, sources: sourcesOf(gallery) }, off ? null : (ids, kept) => decide("keep_apart", entry, ids, kept))));
  const tools = makeTools({
    gallery,
    groups: () => entries.filter((entry) => !entry.kept),
    chosen, changed: showChosen,
    again: async () => take(await read(tools.kinds())),
  });
  const refused = make("p", { class: "lead", hidden: true });
  const element = make("div", { hidden: true }, tools.element, problem, list.elements, refused);

  /** @param {Answer} answer */
  function take(answer) {
    const duplicates = took(answer);
    if (!duplicates) return;
    ({ off } = answer);
    refused.textContent = `Which of them are no duplicates cannot be decided here: ${off}`;
    refused.hidden = !off;
    tools.offer(answer.kinds);
    entries = duplicates.groups;
    element.hidden = false;
    list.show(entries, { fromStart: true });
    showChosen();
  }

  /**
   * Show what was found as a whole, or why nothing was.
   * @param {Answer} answer
   * @returns {Duplicates | undefined}
   */
  function took({ message, duplicates }) {
    problem.replaceChildren(...(message ? [make("p", { class: "message" }, message)] : []));
    if (duplicates) show(duplicates, tools.kinds().length > 0);
    return duplicates;
  }

  // What is not listed any more is not chosen either.
  function showChosen() {
    const images = entries.flatMap(({ best, others }) => (best ? [best, ...others] : []));
    const there = new Set(images.map(({ id }) => `${id}`));
    for (const id of chosen) if (!there.has(id)) chosen.delete(id);
    for (const box of list.boxes()) box.checked = chosen.has(box.value);
    tools.show();
  }

  /** @param {Chosen} event */
  function choose({ target }) {
    if (target.checked) chosen.add(target.value);
    else chosen.delete(target.value);
    tools.show();
  }

  /**
   * Send a decision, and read the groups again: others may have come of it.
   * @type {(request: string, entry: Entry, ids: Id[], kept?: KeptApart) => Promise<void>}
   */
  async function decide(request, entry, ids, kept) {
    const { message } = await ask(request, { gallery, ids });
    const duplicates = took(message ? { message } : await read(tools.kinds()));
    if (!duplicates) return;
    entries = afterDecision(entries, duplicates.groups, entry, kept);
    list.show(entries, { focused: kept });
    showChosen();
  }

  return { element, kinds: tools.kinds, take };
}

/**
 * Return a list that shows its first entries, and more on request; `itemOf` returns an entry's element.
 * @param {(entry: Entry, at: number) => HTMLElement} itemOf
 */
function makeList(itemOf) {
  let shown = STEP;
  const list = make("ol", { class: "groups", "aria-label": "Groups", tabindex: "-1" });
  const more = make("div", { class: "more" });

  /** @param {Entry[]} entries @param {{ fromStart?: boolean, focused?: Entry }} [how] */
  function show(entries, { fromStart = false, focused } = {}) {
    if (fromStart) shown = STEP;
    list.replaceChildren(...entries.slice(0, shown).map(itemOf));
    offerMore(entries);
    if (fromStart) return;
    (focused && list.children[entries.indexOf(focused)]?.querySelector("button") || list).focus({ preventScroll: true });
  }

  /** @param {Entry[]} entries */
  function offerMore(entries) {
    const left = entries.length - shown;
    more.replaceChildren(...(left > 0 ? [button(`Show ${Math.min(STEP, left)} more`, () => {
      const first = shown;
      shown += STEP;
      list.append(...entries.slice(first, shown).map((entry, at) => itemOf(entry, first + at)));
      offerMore(entries);
      allIn(list, ":scope > *")[first].focus();
    })] : []));
  }

  return { elements: [list, more], show, boxes: () => list.querySelectorAll("input") };
}

/** @param {KeptApart} entry @param {() => void} undo */
function keptItem({ words }, undo) {
  return make("li", { class: "kept", tabindex: "-1" }, `${words} `, button("Undo", undo));
}

/**
 * Without `keep`, which gets one image of each content and what to show instead, nothing is decided.
 * @param {Group} group
 * @param {number} at
 * @param {Acts} acts
 * @param {((ids: Id[], kept: KeptApart) => void) | null} keep
 */
function groupItem(group, at, acts, keep) {
  const ids = differentIn(group);
  const images = [group.best, ...group.others];
  /** @type {KeptApart} */
  const kept = { kept: true, ids, words: `No duplicates: ${images.map(({ path }) => path).join(", ")}.` };
  return make(
    "li", { class: "group", tabindex: "-1", "aria-label": `Group ${at + 1}` },
    make("div", { class: "images" }, images.map((image) => card(image, group, acts))),
    keep && ids.length > 1 && button("Not duplicates", () => keep(ids, kept), {
      "aria-label": `Not duplicates: group ${at + 1}`, title: "Remember that these are different pictures",
    }),
  );
}

/** @param {Image} image @param {Group} group @param {Acts} acts */
function card(image, group, { choose, compare, sources }) {
  const role = roleOf(image, group);
  const whole = wholePath(image, sources);
  return make(
    "div", { class: "image" },
    pictureOf(image, group, compare),
    make("label", { title: whole },
      make("input", { type: "checkbox", value: `${image.id}`, "aria-label": `Choose ${image.path}`, onchange: choose }),
      make("span", { class: "name" }, fileNameOf(image))),
    make("span", { class: "folder", title: whole }, image.path.split("/").slice(0, -1).join("/")),
    make("span", { class: image === group.best ? "role best" : "role" }, role),
    make("span", { class: "facts" }, factsOf(image)),
    wayToFolder(image),
  );
}

/**
 * The best opens in a tab of its own, any other beside the one whose picture it shows.
 * @param {Image} image
 * @param {Group} group
 * @param {Compare} compare
 */
function pictureOf(image, { best, others }, compare) {
  const picture = make("img", { src: image.thumbnail_url, alt: "", loading: "lazy", width: 160, height: 120 });
  if (image === best || !("of" in image)) {
    const link = { href: `${image.image_url}?fallback=thumbnail`, target: "_blank", "aria-label": `Open ${image.path}` };
    return make("a", link, picture);
  }
  const better = others.find(({ id }) => id === image.of) ?? best;
  return button(picture, () => compare(image, better), { class: "two", "aria-label": `Compare ${image.path} with ${better.path}` });
}

// The groups of near duplicates → sentences, rows to save, and the list after a decision.

import { kindOf } from "./summary.js";

/** @import { Duplicate, Duplicates, Group, Id, KeptApart, Place, Progress } from "../types.js" */
/** @typedef {Record<string, unknown> & Pick<Place, "path" | "source">} Row */

/** @param {number} number @param {string} one */
const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** @type {Record<string, string>} */
const STAGES = { near: "Comparing vectors", vote: "Looking for parts and edits", pairs: "Comparing pictures" };

/**
 * Return a search's progress in words; its stages are those of app/search/duplicates.py.
 * @param {Partial<Progress>} progress
 */
export function findingWords({ stage = "", done = 0, total }) {
  const words = STAGES[stage];
  if (!words) return "Starting …";
  return total ? `${words}: ${done.toLocaleString("en")} of ${total.toLocaleString("en")}` : `${words} …`;
}

/**
 * Return what was found in a sentence or two.
 * @param {Duplicates} duplicates
 * @param {boolean} some whether not all kinds are asked for
 */
export function foundWords({ images, groups, groups_found, others_found, others_bytes, apart }, some) {
  const kept = apart ? ` ${counted(apart, "pair")} ${apart === 1 ? "is" : "are"} kept apart.` : "";
  const among = counted(images, "image");
  if (!groups_found) {
    return `${some ? `None of these kinds among ${among}` : `No two of ${among} show one picture`}.${kept}`;
  }
  const first = groups.length < groups_found ? ` The first ${groups.length.toLocaleString("en")} are listed.` : "";
  const show = others_found === 1 ? "shows" : "show";
  return `${counted(groups_found, "group")} among ${among}: ${others_found.toLocaleString("en")} ${show} `
    + `the picture of a better one (${(others_bytes / 1e6).toFixed(1)} MB).${first}${kept}`;
}

/** @param {Group["best"]} image */
export function factsOf({ width, height, bytes, changed }) {
  const date = changed && new Date(1000 * changed).toLocaleDateString("en-GB", { dateStyle: "medium" });
  return [
    width && `${width} × ${height}`, bytes && `${Math.ceil(bytes / 1000).toLocaleString("en")} kB`, date,
  ].flatMap((each) => each || []).map((fact) => fact.replaceAll(" ", "\u00a0")).join(", ");
}

/**
 * Return what an image of a group is to its best: "best", or its kind and what was done to it. One
 * that is the best's only through another names that.
 * @param {Group["best"] | Duplicate} image
 * @param {Group} group
 */
export function roleOf(image, { best, others }) {
  if (image === best || !("of" in image)) return "best";
  const through = image.of !== best.id && others.find(({ id }) => id === image.of);
  return `${kindOf(image)}${through ? `, of ${through.path}` : ""}`;
}

/**
 * Return one image of each content: the same file cannot be kept apart from itself.
 * @param {Group} group
 */
export function differentIn({ best, others }) {
  /** @type {Map<Id, Id>} */
  const contents = new Map();
  for (const image of [best, ...others]) {
    const content = image.sha256 || image.id;
    if (!contents.has(content)) contents.set(content, image.id);
  }
  return [...contents.values()];
}

/**
 * Return the list after a decision on the group `decided`, whose place a line `kept` takes; a group
 * that is new, or what is left of that one, follows it. Without a line, the groups take its place.
 * @param {(Group | KeptApart)[]} entries
 * @param {Group[]} groups
 * @param {Group | KeptApart} decided
 * @param {KeptApart} [kept]
 */
export function afterDecision(entries, groups, decided, kept) {
  const left = new Map(groups.map((group) => [group.best.id, group]));
  /** @param {Group} group */
  const take = ({ best: { id } }) => {
    const group = left.get(id);
    left.delete(id);
    return group ? [group] : [];
  };
  const parts = entries.map((entry) => (entry === decided || entry.kept ? entry : take(entry)));
  const others = [...left.values()];
  return parts.flatMap((part) => (part === decided ? [...(kept ? [kept] : []), ...others] : part));
}

// --- to save -----------------------------------------------------------------------------------

export const COLUMNS = [
  "group", "kind", "reason", "score", "of", "id", "path", "source", "width", "height", "bytes", "sha256",
];

/**
 * Return a row for each image, as `ris duplicates --csv` does; of those chosen, or of all for none.
 * @param {Group[]} groups
 * @param {Set<string>} chosen
 * @returns {Row[]}
 */
export function rowsOf(groups, chosen) {
  /** @type {Row[]} */
  const all = groups.flatMap(({ best, others }, at) => [
    { ...best, group: at + 1, kind: "best", reason: "", score: "", of: "" },
    ...others.map((each) => ({ ...each, group: at + 1, reason: each.match.reason, score: each.match.score })),
  ]);
  const rows = chosen.size ? all.filter(({ id }) => chosen.has(`${id}`)) : all;
  return rows.map((row) => /** @type {Row} */ (Object.fromEntries(COLUMNS.map((name) => [name, row[name]]))));
}

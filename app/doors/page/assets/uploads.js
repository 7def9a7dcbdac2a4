// A visitor's files → the server's folder of uploads → a search with them.

import { NO_ANSWER, whyNoAnswer } from "./call.js";
import { shortened } from "./dropped.js";
import * as session from "./session.js";

/** @import { Upload } from "../types.js" */

/**
 * Upload a file and search with it, and with those that came along; `others` is said of the rest.
 * @param {File[]} files
 * @param {string} others
 * @param {Upload} upload
 * @param {number} mostBytes
 */
export async function takeFiles([file, ...further], others, upload, mostBytes) {
  if (!file) return;
  const name = file.name || "The picture";
  /** @param {string} sentence */
  const said = (sentence) => (others ? `${sentence} ${others}` : sentence);
  if (file.size > mostBytes) {
    session.fail(said(tooLarge(name, mostBytes)));
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
    } else if (others && !session.state.busy) session.say(said(session.state.message || `Searched with ${shortened(name)};`));
  } catch {
    if (!session.isLatest(number)) return;
    session.set({ busy: false });
    session.fail(said(await notTaken(name)));
  }
}

/**
 * Upload files that are searched with besides what is asked already.
 * @param {File[]} files
 * @param {string} others
 * @param {Upload} upload
 * @param {number} mostBytes
 */
export async function takeFurther(files, others, upload, mostBytes) {
  const fitting = files.filter(({ size }) => size <= mostBytes);
  const wrong = files.filter((file) => !fitting.includes(file)).map(({ name }) => tooLarge(name, mostBytes));
  const number = session.begin();
  const uploaded = await Promise.all(fitting.map(async (file) => {
    const { path } = await upload(file).catch(() => ({ path: "" }));
    if (!path) wrong.push(await notTaken(file.name));
    return { path, name: file.name || "picture" };
  }));
  if (!session.isLatest(number)) return;
  session.set({ busy: false });
  wrong.push(...await session.addPictures(uploaded.filter(({ path }) => path)));
  const sentences = [...wrong, others].filter(Boolean);
  if (sentences.length) session.say(sentences.join(" "));
}

/** @param {string} name @param {number} mostBytes */
const tooLarge = (name, mostBytes) => `${name} is larger than ${mostBytes / 1e6} MB: choose a smaller one.`;

/** @param {string} name */
async function notTaken(name) {
  const why = await whyNoAnswer();
  if (why === NO_ANSWER) return why;
  return `${name} could not be uploaded: the server did not take it; try again, or choose a smaller one.`;
}

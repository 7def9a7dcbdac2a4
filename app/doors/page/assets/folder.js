// An image's file, shown in the file manager of the machine that the server runs on.

import { callsTo } from "./call.js";
import { button, make } from "./make.js";

/** @import { Ask, Server } from "../types.js" */

/** @type {Ask | null} */
let ask = null;

/**
 * Let files be shown where the server has a function for it: where it is for its own machine alone.
 * @param {Server} server its functions
 */
export function allowFolders(server) {
  if (server.open_folder) ask = callsTo(server);
}

/**
 * Return a button that shows an image's file in its folder, or null where none may be shown.
 * @param {{ gallery: string, id: string | number, path: string }} image
 * @param {string} [words] on the button
 * @param {string} [name] what the button is called where it stands among others
 */
export function wayToFolder({ gallery, id, path }, words = "Open folder", name = `${words} of ${path}`) {
  if (!ask) return null;
  const send = ask;
  // The file manager shows itself; below the button stands why it does not.
  const problem = make("div");
  return make("div", { class: "way" }, button(words, async () => {
    const { message } = await send("open_folder", { gallery, id });
    problem.replaceChildren(...(message ? [make("p", { class: "message", role: "alert" }, message)] : []));
    problem.scrollIntoView({ block: "nearest" });
  }, { "aria-label": name, title: "Show this file in this computer's file manager" }), problem);
}

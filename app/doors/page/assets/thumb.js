// The query's thumbnail, which opens the editor.

import { thumbnailOf } from "./asked.js";
import { isSearching, isSeeing } from "./face.js";
import { findIn, make } from "./make.js";
import { isOpen, onPanels, toggle } from "./panels.js";
import * as session from "./session.js";

const { state } = session;

/** The query, where there is a picture of it: a text's name is over the results. */
const pictured = () => (session.asksWithText(state.edit) ? null : state.edit);

/** @param {import("../types.js").Part} part */
export function start({ element }) {
  const place = findIn(element, ".thumb");
  let shown = "";
  const showOpen = () => place.querySelector("button")?.setAttribute("aria-expanded", `${isOpen("editor")}`);
  onPanels(showOpen);
  session.onChange(async () => {
    document.documentElement.dataset.face = isSeeing() ? "see" : "ask";
    const edit = pictured();
    const { searching } = state;
    place.classList.toggle("awaited", Boolean(edit) || (isSearching() && searching === "picture"));
    const wanted = JSON.stringify(edit && [edit.src, edit.box, edit.turns, edit.mirrored]);
    if (wanted === shown) return;
    shown = wanted;
    const picture = edit && await thumbnailOf(edit, "pinned", `The query: ${edit.name}`);
    if (shown !== wanted) return;
    const hadFocus = place.contains(document.activeElement);
    place.replaceChildren(...(picture ? [make(
      "button", { type: "button", class: "bare", title: "Turn, mirror or crop it", "aria-controls": "windows", onclick: () => toggle("editor") },
      picture, make("span", {}, "Edit"),
    )] : []));
    showOpen();
    if (hadFocus) place.querySelector("button")?.focus();
  });
}

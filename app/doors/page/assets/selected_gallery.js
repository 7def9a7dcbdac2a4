// The images that are selected → a gallery of their own, made by the server where the operator allows it.

import { button, make } from "./make.js";

/** @typedef {(request: object) => Promise<string>} Gather */

/** @type {Gather | null} */
let gather = null; // begins such a gallery, and returns why not
/** @type {Set<() => void>} */
const waiting = new Set(); // what is called when that is there

/**
 * Allow galleries to be made of what is selected.
 * @param {Gather} given
 */
export function allowGathering(given) {
  gather = given;
  for (const each of waiting) each();
}

/**
 * Return the button, and what it opens, for a gallery of the images that `picked` returns. How far one
 * is stands in the line of work.js.
 * @param {() => import("../types.js").Hit[]} picked
 */
export function makeGathering(picked) {
  const form = makeForm(begin, close);
  const alert = make("div", { role: "alert" });
  const opening = button("Make a gallery of them", () => {
    form.element.hidden = false;
    say("");
    form.focus();
  }, { hidden: true });
  const element = make("div", { class: "gathering", hidden: true, onkeydown: onKey }, form.element, alert);
  const offer = () => { opening.hidden = !gather; };
  waiting.add(offer);
  offer();
  return { button: opening, element, close, say };

  /** @param {string} message */
  function say(message) {
    alert.replaceChildren(...(message ? [make("p", { class: "message" }, message)] : []));
    element.hidden = form.element.hidden && !message;
  }

  function close() {
    const held = element.contains(document.activeElement);
    form.element.hidden = true;
    say("");
    if (held) opening.focus();
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
  }

  /** @param {string} name */
  async function begin(name) {
    const hits = picked();
    const galleries = new Set(hits.map(({ gallery }) => gallery));
    if (galleries.size !== 1) {
      say(`These images are of ${galleries.size} galleries: choose those of one, as their vectors are of one kind.`);
      return;
    }
    const problem = await gather?.({ name, gallery: hits[0].gallery, ids: hits.map(({ id }) => id) });
    say(problem || "");
    if (problem) return;
    form.empty();
    close();
  }
}

/**
 * @param {(name: string) => Promise<void>} begin gets the name that was typed
 * @param {() => void} close
 */
function makeForm(begin, close) {
  let starting = false;
  const name = make("input", {
    type: "text", autocomplete: "off", spellcheck: "false", maxlength: "100", "aria-label": "What to call it", placeholder: "Name",
  });
  const start = make("button", { type: "submit", class: "primary" }, "Make it");
  const element = make(
    "form", { novalidate: true, hidden: true, onsubmit: submit }, make("span", {}, "A gallery of them, called"), name, start, button("Cancel", close),
  );

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (starting) return;
    starting = true;
    await begin(name.value.trim());
    starting = false;
  }

  return { element, focus: () => name.focus(), empty: () => { name.value = ""; } };
}

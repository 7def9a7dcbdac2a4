// The images that are selected → a gallery of their own, made by the server where the operator allows it.

import { wordsOf } from "./create_progress.js";
import { button, make } from "./make.js";
import { clearSelection } from "./selection.js";
import { searchIn } from "./session.js";

let tools = null; // {ask, watch}, see create.js
let named = ""; // the gallery that was asked for last
const parts = new Set(); // what is called at each change

/**
 * Allow galleries to be made of what is selected; return the part of create.js that shows them.
 * @param {{ask: Function, watch: object}} given
 */
export function allowGathering(given) {
  const show = () => parts.forEach((each) => { each(); });
  tools = given;
  return { isOwn: () => false, begin: show, show }; // the panel for new galleries shows it, too
}

/**
 * Return the button, and what it opens, for a gallery of the images that `picked` returns.
 * @param {() => object[]} picked
 * @returns {{button: HTMLElement, element: HTMLElement, close: () => void, say: (message: string) => void}}
 */
export function makeGathering(picked) {
  const form = makeForm(begin, close);
  const made = makeProgress(close);
  const alert = make("div", { role: "alert" });
  const opening = button("Make a gallery of them", () => {
    form.element.hidden = false;
    say("");
    form.element.querySelector("input").focus();
  }, { hidden: true });
  const element = make("div", { class: "gathering", hidden: true, onkeydown: onKey }, form.element, alert, made.element);
  let isShown = false; // whether the progress is that of a gallery begun here
  parts.add(show);
  show();
  return { button: opening, element, close, say };

  function say(message) {
    alert.replaceChildren(...(message ? [make("p", { class: "message" }, message)] : []));
    made.element.hidden = !isShown;
    element.hidden = form.element.hidden && !isShown && !message;
  }

  // A gallery that is being made goes on, and is shown until it is done.
  function close() {
    const held = element.contains(document.activeElement);
    form.element.hidden = true;
    if (tools?.watch.current().state !== "running") isShown = false;
    say("");
    if (held) opening.focus();
  }

  function onKey(event) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
  }

  async function begin(name) {
    const hits = picked();
    const galleries = new Set(hits.map(({ gallery }) => gallery));
    if (galleries.size !== 1) {
      say(`These images are of ${galleries.size} galleries: choose those of one, as their vectors are of one kind.`);
      return;
    }
    const request = { name, gallery: hits[0].gallery, ids: hits.map(({ id }) => id) };
    const { message, progress } = await tools.ask("make_selection", request);
    say(message);
    if (!progress) return;
    named = progress.name;
    isShown = true;
    form.done();
    tools.watch.began(progress);
    show();
  }

  function show() {
    opening.hidden = !tools;
    const progress = tools?.watch.current();
    if (!isShown || progress.name !== named) return;
    made.show(progress);
    say(progress.state === "failed" || progress.state === "stopped" ? progress.message : "");
  }
}

// `begin` gets the name that was typed.
function makeForm(begin, close) {
  let starting = false;
  const name = make("input", {
    type: "text", autocomplete: "off", spellcheck: "false", maxlength: "100", "aria-label": "What to call it", placeholder: "Name",
  });
  const start = make("button", { type: "submit", class: "primary" }, "Make it");
  const element = make(
    "form", { novalidate: true, hidden: true, onsubmit: submit }, make("span", {}, "A gallery of them, called"), name, start, button("Cancel", close),
  );

  async function submit(event) {
    event.preventDefault();
    if (starting) return;
    starting = true;
    await begin(name.value.trim());
    starting = false;
  }

  function done() {
    element.hidden = true;
    name.value = "";
  }

  return { element, done };
}

function makeProgress(close) {
  const bar = make("progress", { "aria-label": "Progress" });
  const words = make("span", { role: "status" });
  const search = button("Search in it", () => {
    close();
    clearSelection();
    searchIn(named);
  });
  const hide = button("Hide", close);

  function show({ state, report, done, total, ...progress }) {
    bar.hidden = state !== "running";
    if (total) Object.assign(bar, { max: total, value: done });
    else bar.removeAttribute("value"); // its length is not known
    if (state === "running") words.textContent = `${named}: ${wordsOf({ ...progress, done, total })}`;
    else words.textContent = report ? `${named}: ${report.images.toLocaleString("en")} images` : "";
    search.hidden = state !== "done";
    hide.hidden = state === "running";
  }

  return { element: make("div", { class: "outcome", hidden: true }, bar, words, search, hide), show };
}

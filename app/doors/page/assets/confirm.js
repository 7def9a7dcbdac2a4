// A button for what cannot be undone: the first click asks, and another button does it.

import { button, make } from "./make.js";

let last = 0;

/**
 * Return the button `words`. `question` and `yes` are the words of the second step; `act` does it and
 * returns a message why not, or nothing.
 * @param {string} words
 * @param {{ question: () => string, yes: () => string, act: () => Promise<string | undefined> }} step
 */
export function withConfirmation(words, { question, yes, act }) {
  last += 1;
  const id = `question-${last}`;
  const first = button(words, () => ask());
  const problem = make("div", { role: "alert" });
  const whole = make("div", { class: "confirm" }, first);
  whole.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || first.isConnected) return;
    event.preventDefault(); // what it lies in stays open
    event.stopPropagation();
    keep();
  });

  function ask() {
    const no = button("Keep it", keep);
    /** @type {HTMLButtonElement} */
    const really = button(yes(), () => go(really), { class: "danger" });
    problem.replaceChildren();
    whole.replaceChildren(
      make("div", { role: "group", "aria-labelledby": id },
        make("p", { id }, question()), make("div", { class: "choices" }, no, really), problem),
    );
    no.focus(); // not what cannot be undone
  }

  function keep() {
    whole.replaceChildren(first);
    first.focus();
  }

  /** @param {HTMLButtonElement} really */
  async function go(really) {
    Object.assign(really, { disabled: true });
    const message = await act();
    Object.assign(really, { disabled: false });
    problem.replaceChildren(...(message ? [make("p", { class: "message" }, message)] : []));
  }

  return whole;
}

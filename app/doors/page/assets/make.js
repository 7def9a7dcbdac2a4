// Values → elements. Text is always inserted as text, never as HTML.

/** @import { At, Attributes, Child } from "../types.js" */

/**
 * Return an element: `on…` are listeners, what is no text is a property, the rest are attributes.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes<HTMLElementTagNameMap[Tag]>} [attributes]
 * @param {...(Child | Child[])} children
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (name in made && typeof value !== "string") Object.assign(made, { [name]: value });
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, `${value}`);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/**
 * Return what a part of the page surely holds.
 * @template {Element} [Kind=HTMLElement]
 * @param {ParentNode} place
 * @param {string} selector
 */
export const findIn = (place, selector) => /** @type {Kind} */ (place.querySelector(selector));

/**
 * Return all of what a part of the page holds of a selector.
 * @template {Element} [Kind=HTMLElement]
 * @param {ParentNode} place
 * @param {string} selector
 */
export const allIn = (place, selector) => /** @type {Kind[]} */ ([...place.querySelectorAll(selector)]);

/**
 * Return what has the keyboard, if that is in a place.
 * @template {Element} [Kind=HTMLElement]
 * @param {Element} place
 */
export const focusedIn = (place) => (
  place.contains(document.activeElement) ? /** @type {Kind} */ (document.activeElement) : null
);

/**
 * Return the nearest element of a selector that an event came from, itself or around it.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export const closest = ({ target }, selector) => (target instanceof Element ? target.closest(selector) : null);

/**
 * @param {string | Node} text
 * @param {(event: At<HTMLButtonElement, PointerEvent>) => unknown} onclick
 * @param {Attributes<HTMLButtonElement>} [attributes]
 */
export function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", onclick, ...attributes }, text);
}

/**
 * Let a part's buttons be pressed, which the page has before the script that does what they say.
 * @param {ParentNode} place
 */
export function enableButtons(place) {
  for (const each of /** @type {HTMLButtonElement[]} */ (allIn(place, "button[disabled]"))) each.disabled = false;
}

/**
 * Browsers allow the clipboard only over https or from this machine: elsewhere the link is shown.
 * @param {() => string} linkOf
 * @param {() => string} [confirmation]
 * @param {string} [words]
 */
export function copyButton(linkOf, confirmation = () => "Link copied", words = "Copy link") {
  return button(words, async ({ target }) => {
    const link = linkOf();
    try {
      await navigator.clipboard.writeText(link);
      target.textContent = confirmation();
      setTimeout(() => { target.textContent = words; }, 3000);
    } catch {
      window.prompt(`${words}:`, link);
    }
  });
}

/**
 * A panel of the gallery: one is open at a time, and Esc closes it.
 * @param {string} words
 * @param {...Child} content
 */
export function panel(words, ...content) {
  return make("details", { class: "panel", name: "gallery-panel" }, make("summary", {}, words), make("div", { class: "sheet" }, content));
}

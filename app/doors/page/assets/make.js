// Values → elements. Text is always inserted as text, never as HTML.

/** @typedef {string | number | Node | null | undefined | false} Child */

/**
 * Return an element: `on…` are listeners, what is no text is a property, the rest are attributes.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child | Child[] | Child[][])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && typeof value !== "string") made[name] = value;
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/**
 * @param {string} text
 * @param {(event: any) => unknown} onclick
 * @param {Record<string, any>} [attributes]
 */
export function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", onclick, ...attributes }, text);
}

// Browsers allow the clipboard only over https or from this machine: elsewhere the link is shown.
/**
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

// A panel of the gallery: one is open at a time, and Esc closes it.
/**
 * @param {string} words
 * @param {...(Child | Child[])} content
 */
export function panel(words, ...content) {
  const summary = make("summary", {}, words);
  const made = make("details", { class: "panel", name: "gallery-panel" }, summary, make("div", { class: "sheet" }, content));
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !made.open) return;
    made.open = false;
    summary.focus();
  });
  return made;
}

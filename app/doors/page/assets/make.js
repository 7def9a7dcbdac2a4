// Values → elements. Text is always inserted as text, never as HTML.

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

export function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", onclick, ...attributes }, text);
}

// Browsers allow the clipboard only over https or from this machine: elsewhere the link is shown.
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

// A double click → a single one, where the first click changed what lies under the pointer.

const controlOf = (target) => target.closest("button, a, summary, label, dialog") || target;

const nameOf = (control) => {
  const { key, id } = control.closest("[data-id]")?.dataset || {};
  return [key || id, control.getAttribute("aria-label") || control.textContent].join(" ");
};

let first = "";
document.addEventListener("click", (event) => {
  const name = nameOf(controlOf(event.target));
  if (event.detail <= 1) first = name;
  else if (name !== first) {
    event.preventDefault();
    event.stopPropagation();
  }
}, true);

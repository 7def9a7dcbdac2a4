// The form for a new gallery → what was filled in.

import { make } from "./make.js";

/** @import { Attributes } from "../types.js" */
/** @typedef {{ name: string, model: string, kind: string, folder: string, files: File[] }} Filled what was filled in */
/** @typedef {[words: string, label: string, attributes: Attributes<HTMLInputElement>]} Source */

const TEXT = { type: "text", autocomplete: "off", spellcheck: "false" };

/**
 * Every kind of source: its name, the label of its field, and the field.
 * @type {(suffixes: string[]) => Record<string, Source>}
 */
const sourcesOf = (suffixes) => ({
  folder: ["Folder on this machine", "Path of the folder", { ...TEXT, placeholder: "/home/me/Pictures" }],
  files: ["Picture files", "Files", { type: "file", multiple: true, accept: suffixes.join() }],
  directory: ["Folder to upload", "Folder", { type: "file", multiple: true, webkitdirectory: "" }],
  zip: ["ZIP archive", "Archive", { type: "file", accept: ".zip" }],
});

/**
 * Return the form, and `read` for what it holds.
 * @param {{ models?: { name: string, downloads: boolean }[], suffixes?: string[] }} options
 * @param {(event: Event) => void} onsubmit
 */
export function makeForm({ models = [], suffixes = [] }, onsubmit) {
  const sources = Object.entries(sourcesOf(suffixes));
  const name = make("input", { ...TEXT, maxlength: "100" });
  const model = make("select", {}, models.map(({ name: value, downloads }) => make(
    "option", { value }, downloads ? `${value} (its weights may be downloaded)` : value,
  )));
  const kind = make("select", { onchange: showKind }, sources.map(
    ([value, [words]]) => make("option", { value }, words),
  ));
  const inputs = Object.fromEntries(sources.map(([value, [, , attributes]]) => [value, make("input", attributes)]));
  /** @type {[kind: string, HTMLElement][]} */
  const fields = sources.map(([value, [, label]]) => [value, field(label, inputs[value])]);
  const fieldset = make(
    "fieldset", {},
    field("Name", name), field("Pictures from", kind), fields.map(([, each]) => each),
    field("Model", model), make("button", { type: "submit", class: "primary" }, "Start"),
  );

  function showKind() {
    for (const [value, each] of fields) each.hidden = value !== kind.value;
  }

  showKind();
  return {
    element: make("form", { novalidate: true, onsubmit }, fieldset),
    /** @param {boolean} busy */
    disable: (busy) => { fieldset.disabled = busy; },
    /** @returns {Filled} */
    read: () => ({
      name: name.value, model: model.value, kind: kind.value,
      folder: inputs.folder.value, files: [...(inputs[kind.value].files || [])],
    }),
  };
}

/** @param {string} label @param {HTMLElement} control */
const field = (label, control) => make("label", {}, make("span", {}, label), control);

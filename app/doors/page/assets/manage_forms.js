// What can be changed of a gallery: pictures added, its title, name and folders; and its end.

import { deleted, factsChanged, renamed } from "./changes.js";
import { withConfirmation } from "./confirm.js";
import { make } from "./make.js";

/** @import { Answer, Ask, Gallery } from "../types.js" */
/** @typedef {(name: string, answer: Answer) => unknown} Done */
/** @typedef {(request: string, body: object, done: Done) => Promise<string | undefined>} Send */
/** @typedef {(before: string, now: string) => Promise<void>} Rename */

const TEXT = { type: "text", autocomplete: "off", spellcheck: "false" };
let last = 0;

/** @param {Gallery} gallery */
const keyOf = ({ name, refused, sources }) => JSON.stringify([name, refused, sources]);

/**
 * Return the forms that change a gallery: `show` gets its facts, `setBusy` whether a job is at work.
 * @param {object} acts
 * @param {Ask} acts.ask
 * @param {string[]} acts.suffixes of pictures
 * @param {(name: string, files: File[]) => Promise<string | undefined>} acts.add
 * @param {() => Gallery} acts.current
 * @param {(before: string, now: string) => void} acts.renamed is called before the page follows
 * @param {(name: string) => () => void} acts.deleted is called before the page follows; what it
 *   returns, after that
 * @param {(name: string) => void} acts.forget
 */
export function makeForms({ ask, suffixes, add, current, renamed: isRenamed, deleted: isDeleted, forget }) {
  const element = make("div", { class: "forms" });
  let shown = "";
  /** @type {ReturnType<typeof addition> | null} */
  let adding = null;
  let busy = false;
  let sending = false;

  /**
   * Send a request about the gallery, then take over its answer; return why it failed. The forms
   * stay as they are meanwhile, and the keyboard where it is.
   * @type {Send}
   */
  async function send(request, body, done) {
    const { name } = current();
    sending = true;
    const answer = await ask(request, { gallery: name, ...body });
    if (!answer.message) await done(name, answer);
    sending = false;
    shown = keyOf(current());
    return answer.message;
  }

  /** @type {Rename} */
  const rename = async (before, now) => {
    isRenamed(before, now);
    forget(before);
    await renamed(before, now);
  };
  const remove = () => send("delete_gallery", {}, async (name) => {
    const focusNext = isDeleted(name);
    forget(name);
    await deleted(name);
    focusNext();
  });

  /** @param {Gallery} gallery */
  function show(gallery) {
    const wanted = keyOf(gallery);
    if (sending || wanted === shown) return;
    shown = wanted;
    adding = gallery.refused ? null : addition(suffixes, (files) => add(current().name, files));
    adding?.setBusy(busy);
    element.replaceChildren(
      ...(adding ? [adding.element, titleForm(gallery, send), nameForm(gallery, send, rename)] : []),
      ...(adding ? gallery.sources.map((source, number) => folderForm(source, number, send, current)) : []),
      deletion(current, remove),
    );
  }

  return {
    element, show,
    /** @param {boolean} now */
    setBusy: (now) => {
      busy = now;
      adding?.setBusy(now);
    },
  };
}

/** @param {Gallery} gallery @param {Send} send */
const titleForm = ({ title }, send) => textForm({
  label: "Title", value: title, words: "Save", said: "Saved.",
  send: (value) => send("set_title", { title: value }, (name) => factsChanged(name)),
});

/** @param {Gallery} gallery @param {Send} send @param {Rename} rename */
const nameForm = ({ name }, send, rename) => textForm({
  label: "Name", value: name, words: "Rename", said: "Renamed.", most: 100,
  send: (value) => send("rename_gallery", { name: value }, (before, { name: now }) => (
    before === now ? null : rename(before, now)
  )),
});

/**
 * The form of one of the gallery's folders, the one of this number.
 * @param {string} source
 * @param {number} number
 * @param {Send} send
 * @param {() => Gallery} now
 */
function folderForm(source, number, send, now) {
  let current = source;
  return textForm({
    label: "Folder of the pictures, if it has moved", value: source, words: "Use this folder", said: "Found there.",
    send: (value) => send("move_gallery", { folder: value, before: current }, async (name) => {
      await factsChanged(name);
      current = now().sources?.[number] ?? current;
    }),
  });
}

/** @param {() => Gallery} current @param {() => Promise<string | undefined>} remove */
const deletion = (current, remove) => withConfirmation("Delete this gallery", {
  question: () => {
    const { name, images } = current();
    const count = images ? ` with its ${images.toLocaleString("en")} image${images === 1 ? "" : "s"}` : "";
    return `Delete ${name}${count}? The pictures themselves stay where they are.`;
  },
  yes: () => `Delete ${current().name}`,
  act: remove,
});

/**
 * Return a form with one field.
 * @param {object} form
 * @param {string} form.label
 * @param {string} form.value
 * @param {string} form.words of its button
 * @param {string} form.said once it is sent
 * @param {number} [form.most] letters
 * @param {(value: string) => Promise<string | undefined>} form.send returns why it failed, or nothing
 */
function textForm({ label, value, words, said, most = 4096, send }) {
  const input = make("input", { ...TEXT, value, maxlength: `${most}` });
  return formOf({ label, input, words, said, send: () => send(input.value) }).element;
}

/** @param {string[]} suffixes @param {(files: File[]) => Promise<string | undefined>} add */
function addition(suffixes, add) {
  const input = make("input", { type: "file", multiple: true, accept: suffixes.join() });
  const form = formOf({
    label: "Add pictures: choose them, or drop them here", input, words: "Add", said: "",
    send: async () => {
      const problem = await add([...input.files || []]);
      if (!problem) input.value = "";
      return problem;
    },
  });
  return { element: form.element, setBusy: form.setBusy };
}

/**
 * @param {{ label: string, input: HTMLInputElement, words: string, said: string, send: () => Promise<string | undefined> }} form
 */
function formOf({ label, input, words, said, send }) {
  last += 1;
  const id = `managed-${last}`;
  const submit = make("button", { type: "submit" }, words);
  const note = make("span", { class: "note", role: "status" });
  const problem = make("div", { role: "alert", id });
  let busy = false;
  let sending = false;

  /** @param {Event} event */
  async function submitted(event) {
    event.preventDefault();
    if (sending || busy) return;
    sending = true;
    say("");
    const message = await send();
    sending = false;
    say(message);
    if (!message) note.textContent = said;
  }

  /** @param {string} [message] */
  function say(message) {
    note.textContent = "";
    problem.replaceChildren(...(message ? [make("p", { class: "message" }, message)] : []));
    if (message) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  input.setAttribute("id", `${id}-field`);
  input.setAttribute("aria-describedby", id);
  input.addEventListener("input", () => { note.textContent = ""; });
  const element = make(
    "form", { novalidate: true, onsubmit: submitted },
    make("label", { for: `${id}-field` }, label), input, submit, note, problem,
  );
  return {
    element,
    /** @param {boolean} now */
    setBusy: (now) => {
      busy = now;
      submit.disabled = now;
    },
  };
}

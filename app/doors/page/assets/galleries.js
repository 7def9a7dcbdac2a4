// All galleries in one panel: searched, made, brought up to date, changed, deleted; and the line beside
// its button that says what is done to one.

import { callsTo } from "./call.js";
import { contentChanged, galleriesChanged } from "./changes.js";
import { makeForm } from "./create_form.js";
import { closeDuplicates, openDuplicates } from "./duplicates.js";
import { allowFolders } from "./folder.js";
import { makeList } from "./gallery_list.js";
import { button, enableButtons, findIn, make } from "./make.js";
import { allowRemoval } from "./removal.js";
import { allowGathering } from "./selected_gallery.js";
import { makeSeveral } from "./several.js";
import { onChange, searchIn, state } from "./session.js";
import { makeWork } from "./work.js";

/** @import { Answer, Ask, Part, Server, Upload } from "../types.js" */
/** @import { Work } from "./work.js" */

/** @param {Part & { server: Server, upload: Upload, manages: boolean, mostBytes: number, mostPictureBytes: number }} part */
export async function start({ element, server, upload, manages, ...limits }) {
  const place = findIn(element, ".galleries");
  const ask = callsTo(server);
  allowFolders(server);
  const off = place.querySelector(".off");
  const panel = makePanel({ ask, manages });
  const opener = findIn(place, ".all");
  opener.addEventListener("click", panel.open);
  enableButtons(place);
  onChange(() => {
    const several = state.gallery?.name.split(",").length || 1;
    opener.textContent = several > 1 ? `${several} galleries` : "Galleries";
  });
  document.body.append(panel.dialog);
  window.addEventListener("popstate", () => {
    closeDuplicates();
    panel.dialog.close();
  });
  if (off) panel.offer(off);
  else {
    const options = await ask("making"); // {models, suffixes, progress} or {message}
    /** @type {Work} */
    const work = makeWork({
      ask, upload, options, ...limits, open: panel.open, use: panel.use, busy: panel.setBusy,
      focus: (name = "") => panel.focus(name) || opener.focus(),
      changed: async ({ kind = "make", name = "" }) => {
        await (kind === "make" ? galleriesChanged() : contentChanged(name));
        panel.check(name);
      },
    });
    panel.allow(work, options);
    place.append(work.line);
    if (manages) allowRemoval(ask);
    allowGathering(work.gather);
    work.start();
  }
}

/**
 * Return the dialog; `offer` puts in what makes a gallery, `allow` what changes them, too.
 * @param {{ ask: Ask, manages: boolean }} how
 */
function makePanel({ ask, manages }) {
  const making = make("details", { class: "make" }, make("summary", {}, "Make a gallery"));
  const place = make("div", { class: "job" });
  /** @type {Work | null} */
  let work = null;
  /** @type {ReturnType<typeof makeForm> | null} */
  let form = null;
  /** @type {string[]} */
  let suffixes = [];
  const list = makeList({
    ask, use, near: (name) => openDuplicates(ask, name), manages: () => manages && Boolean(work), suffixes: () => suffixes,
    update: (name) => work?.update(name), add: async (name, files) => work?.add(name, files), forget: (name) => work?.forget(name),
  }, { isOpen: () => dialog.open, focusWhole: () => dialog.focus() });
  /** @type {HTMLDialogElement} */
  const dialog = make(
    "dialog", { class: "detail galleries", "aria-labelledby": "galleries-title", tabindex: "-1" },
    make("header", {}, make("h2", { id: "galleries-title" }, "Galleries"), button("Close", () => dialog.close())),
    makeSeveral(), making, place, list.element,
  );

  async function open() {
    if (dialog.open) return;
    dialog.showModal();
    dialog.focus();
    await galleriesChanged(); // another program may have made or changed one
    list.checkAll();
  }

  /** @param {string} name */
  function use(name) {
    dialog.close();
    return searchIn(name);
  }

  /** @param {Work} given @param {Answer} options */
  function allow(given, options) {
    work = given;
    suffixes = options.suffixes || [];
    const filled = makeForm({ models: options.models, suffixes }, (event) => {
      event.preventDefault();
      given.makeGallery(filled.read());
    });
    form = filled;
    making.append(filled.element);
    const { state: how, kind = "make" } = options.progress || {};
    making.open = how === "running" && kind === "make";
    place.append(...given.elements);
    list.show();
  }

  onChange(list.show);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return {
    dialog, open, use, allow,
    /** @param {Element} element */
    offer: (element) => making.append(element),
    /** @param {boolean} isBusy */
    setBusy: (isBusy) => {
      form?.disable(isBusy);
      list.setBusy(isBusy);
    },
    /** @param {string} name */
    check: (name) => { if (dialog.open) list.check(name); },
    /** @param {string} name */
    focus: (name) => {
      if (dialog.open && !list.focus(name)) dialog.focus();
      return dialog.open;
    },
  };
}

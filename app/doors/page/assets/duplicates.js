// Near duplicates of the chosen gallery, in a window of their own: found in the background, shown in
// groups, the best first, decided on and saved. Nothing is deleted.

import { callsTo } from "./call.js";
import { watchBuild } from "./create_progress.js";
import { makeGroups } from "./duplicate_groups.js";
import { findingWords, foundWords } from "./duplicate_lists.js";
import { makeJob } from "./job.js";
import { button, make } from "./make.js";
import { onChange, state } from "./session.js";

export function start({ element, server }) {
  const place = element.querySelector(".near");
  const ask = callsTo(server);
  let opened = null;
  place.querySelector("button").addEventListener("click", () => {
    const { name } = state.gallery;
    if (opened?.gallery !== name) {
      opened?.dialog.remove();
      opened = makeWindow(ask, name);
      document.body.append(opened.dialog);
    }
    opened.open();
  });
  onChange(() => {
    const { gallery } = state;
    // Several galleries are looked at one by one.
    place.hidden = !gallery?.images || Boolean(gallery.refused) || gallery.name.includes(",");
    if (opened?.gallery !== gallery?.name) opened?.dialog.close();
  });
  window.addEventListener("popstate", () => opened?.dialog.close());
}

function makeWindow(ask, gallery) {
  const parts = {
    found: make("p", { class: "found", role: "status" }),
    find: button("Find near duplicates", find, { class: "primary" }),
    outdated: make("p", { class: "notice", hidden: true }, "The gallery has changed since this search."),
  };
  const groups = makeGroups({ gallery, ask, read: (kinds) => ask("duplicates", { gallery, kinds }), show });
  const watch = watchBuild(ask, {
    show: () => job.show(), say: (message) => job.say(message), done: load,
    look: () => ask("finding", { gallery }),
  });
  const job = makeJob({
    ask, watch, words: findingWords, isOwn: () => true,
    changed: () => { parts.find.disabled = job.isBusy(); },
    outcomeOf: ({ state: ended, message }) => (ended === "stopped" ? [make("p", {}, message)] : []),
    cancel: (send) => send("stop_finding", { gallery }),
  });

  function find() {
    job.say("");
    job.once(() => job.change("find_duplicates", { gallery }, watch.began));
  }

  async function load() {
    const { message, progress, ...answer } = await ask("duplicates", { gallery, kinds: groups.kinds() });
    job.say(message);
    if (!progress) return;
    watch.take(progress);
    job.show();
    show(answer.duplicates, false);
    groups.take(answer);
  }

  function show(duplicates, some) {
    parts.found.textContent = duplicates ? foundWords(duplicates, some) : "";
    parts.outdated.hidden = !duplicates?.outdated;
    parts.find.textContent = duplicates ? "Search again" : "Find near duplicates";
    parts.find.classList.toggle("primary", !duplicates || duplicates.outdated);
  }

  const dialog = windowOf(gallery, [
    parts.outdated, make("div", { class: "begin" }, parts.find, parts.found),
    make("div", { class: "create" }, Object.values(job.elements)), groups.element,
  ]);
  return {
    gallery, dialog,
    open: () => {
      dialog.showModal();
      dialog.focus();
      load();
    },
  };
}

function windowOf(gallery, content) {
  const dialog = make(
    "dialog", { class: "detail duplicates", "aria-labelledby": "duplicates-title", tabindex: "-1" },
    make("header", {},
      make("h2", { id: "duplicates-title" }, `Near duplicates in ${gallery}`),
      button("Close", () => dialog.close(), { "aria-keyshortcuts": "Escape" })),
    make("p", { class: "lead" },
      "Images that show one picture, the best first: the most pixels, then the most bytes, then the oldest file. "
      + "Comparing them takes minutes where there are thousands. Nothing is deleted."),
    content,
  );
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
}

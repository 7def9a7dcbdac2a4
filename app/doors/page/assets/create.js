// Making a gallery: a form, the build's progress, and how it ended. Asked of the server every half
// second while something runs, and never else.

import { NO_ANSWER, callsTo } from "./call.js";
import { button, make, panel } from "./make.js";
import { galleriesChanged, searchIn } from "./session.js";

const POLL_MILLISECONDS = 500;
const UPLOADS_AT_ONCE = 3;
const KINDS = [
  ["folder", "Folder on this machine"],
  ["files", "Picture files"],
  ["directory", "Folder to upload"],
  ["zip", "ZIP archive"],
];

export function start({ element, server, upload, mostBytes }) {
  const place = element.querySelector(".create");
  const off = place.querySelector(".off");
  if (off) place.replaceChildren(panel("Make a gallery", off));
  else makePanel(place, server, upload, mostBytes);
}

async function makePanel(place, server, upload, mostBytes) {
  let progress = { state: "idle" };
  let uploading = null; // {done, total, cancelled}
  let starting = false;
  let timer = null;
  let shown = "";

  const ask = callsTo(server);
  const { models = [], suffixes = [], progress: atFirst, message } = await ask("making");
  const isPicture = (file) => suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix));

  // The form.
  const field = (label, control) => make("label", {}, make("span", {}, label), control);
  const name = make("input", { type: "text", maxlength: "100", autocomplete: "off", spellcheck: "false" });
  const kind = make("select", { onchange: showKind }, KINDS.map(
    ([value, words]) => make("option", { value }, words),
  ));
  const model = make("select", {}, models.map(({ name: value, downloads }) => make(
    "option", { value }, downloads ? `${value} (its weights may be downloaded)` : value,
  )));
  const inputs = {
    folder: make("input", { type: "text", placeholder: "/home/me/Pictures", autocomplete: "off", spellcheck: "false" }),
    files: make("input", { type: "file", multiple: true, accept: suffixes.join() }),
    directory: make("input", { type: "file", multiple: true, webkitdirectory: "" }),
    zip: make("input", { type: "file", accept: ".zip" }),
  };
  const labels = { folder: "Path of the folder", files: "Files", directory: "Folder", zip: "Archive" };
  const sources = Object.fromEntries(
    Object.entries(inputs).map(([key, input]) => [key, field(labels[key], input)]),
  );
  const fields = make(
    "fieldset", {},
    field("Name", name), field("Pictures from", kind), Object.values(sources),
    field("Model", model), make("button", { type: "submit" }, "Start"),
  );
  const alert = make("div", { role: "alert" });
  const form = make("form", { novalidate: true, onsubmit: begin }, fields);

  // The progress and the outcome.
  const words = make("p", {});
  const bar = make("progress", { "aria-label": "Progress" });
  const cancel = button("Cancel", stop);
  const running = make("div", { class: "running" }, bar, words, cancel);
  const outcome = make("div", { class: "outcome", role: "status" });
  const whole = panel("Make a gallery", form, alert, running, outcome);
  place.replaceChildren(whole);
  showKind();
  say(message);
  if (atFirst) take(atFirst);
  show();
  whole.open = progress.state === "running";

  function showKind() {
    for (const [key, source] of Object.entries(sources)) source.hidden = key !== kind.value;
  }

  function say(sentence) {
    alert.replaceChildren(...(sentence ? [make("p", { class: "message error" }, sentence)] : []));
  }

  async function begin(event) {
    event.preventDefault();
    if (starting || progress.state === "running") return;
    starting = true;
    say("");
    show();
    const problem = await tryToBegin();
    starting = false;
    uploading = null;
    if (problem) {
      say(problem);
      const { progress: now } = await ask("making"); // perhaps another one runs
      if (now?.state === "running") take(now);
    }
    show();
  }

  // Return the sentence about what is in the way, if anything is.
  async function tryToBegin() {
    const request = { name: name.value, model: model.value };
    const files = kind.value === "folder" ? [] : [...inputs[kind.value].files];
    const chosen = kind.value === "directory" ? files.filter(isPicture) : files;
    if (files.length && !chosen.length) return "That folder holds no picture: choose another one.";
    const large = chosen.find((file) => file.size > mostBytes);
    if (large) return `${large.name} is larger than ${mostBytes / 1e9} GB: choose less at once.`;
    const bytes = chosen.reduce((sum, file) => sum + file.size, 0);
    const may = await ask("may_make", { ...request, bytes });
    if (may.message) return may.message;
    if (kind.value === "folder") {
      return startWith({ ...request, pictures: { kind: "folder", folder: inputs.folder.value } });
    }
    if (!chosen.length) return kind.value === "zip" ? "Choose a ZIP archive first." : "Choose the pictures first.";
    const { sent, problem } = await uploadAll(chosen);
    const pictures = kind.value === "zip" ? { kind: "zip", ...sent[0] } : { kind: "files", files: sent };
    const failed = problem || await startWith({ ...request, pictures });
    if (failed) await ask("forget_uploads", { paths: sent.filter(Boolean).map(({ path }) => path) });
    return failed;
  }

  async function startWith(request) {
    const answer = await ask("make_gallery", request);
    if (answer.progress) take(answer.progress);
    return answer.message;
  }

  async function uploadAll(files) {
    // A name of its own for each: equal pictures stay two, and none is a query that is looked at.
    const token = Math.random().toString(36).slice(2);
    const sent = [];
    let next = 0;
    let problem = "";
    uploading = { done: 0, total: files.length, cancelled: false };
    show();
    async function uploadSome() {
      while (next < files.length && !problem) {
        const number = next;
        next += 1;
        const file = files[number];
        try {
          const { path } = await upload(new File([file], `${token}-${number}`, { type: file.type }));
          sent[number] = { path, name: file.webkitRelativePath || file.name };
          uploading.done += 1;
        } catch {
          problem = `${file.name} could not be uploaded: choose it again, or see whether the server's disk is full.`;
        }
        if (uploading.cancelled) problem = "Cancelled while uploading: nothing was made.";
        show();
      }
    }
    await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, uploadSome));
    return { sent, problem };
  }

  async function stop() {
    if (uploading) uploading.cancelled = true;
    else await change("cancel_making");
    show();
  }

  async function goOn() {
    if (starting) return;
    starting = true;
    await change("go_on");
    starting = false;
    show();
  }

  async function change(name_) {
    const answer = await ask(name_);
    say(answer.message);
    if (answer.progress) take(answer.progress);
  }

  async function poll() {
    timer = null;
    const answer = await ask("making");
    if (answer.progress) {
      if (alert.textContent === NO_ANSWER) say("");
      take(answer.progress);
    } else {
      say(answer.message);
      take(progress);
    }
    show();
  }

  // What the server says of the build is now this; go on asking while it runs.
  function take(now) {
    const ended = progress.state === "running" && now.state !== "running";
    progress = now;
    if (now.state === "failed") say(now.told);
    if (ended && now.state === "done") galleriesChanged();
    if (now.state === "running" && timer === null) timer = setTimeout(poll, POLL_MILLISECONDS);
  }

  function show() {
    const busy = starting || progress.state === "running";
    fields.disabled = busy;
    running.hidden = !(uploading || progress.state === "running");
    cancel.disabled = Boolean(uploading ? uploading.cancelled : progress.stopping);
    const { done, total } = uploading || progress;
    words.textContent = uploading ? `Uploading ${done} of ${total}` : wordsOf(progress);
    if (total) Object.assign(bar, { max: total, value: done });
    else bar.removeAttribute("value"); // nobody knows how long
    const wanted = busy ? "" : JSON.stringify(progress);
    if (wanted === shown) return;
    shown = wanted;
    outcome.replaceChildren(...(busy ? [] : outcomeOf(progress)));
  }

  function outcomeOf({ state, name: made, told, canGoOn, report }) {
    if (state === "done") {
      const { images, seconds, recall, notes, skipped } = report;
      const remarks = notes.map((note) => make("p", { class: "off" }, note));
      return [
        make("p", {}, `${made}: ${images.toLocaleString("en")} images in ${seconds} s, recall@10 ${recall.toFixed(2)}`),
        ...remarks,
        button("Search in it", () => {
          whole.open = false;
          searchIn(made);
        }),
        ...(skipped ? [skippedFiles(report)] : []),
      ];
    }
    return [
      ...(state === "stopped" ? [make("p", {}, `${made}: ${told}`)] : []),
      ...(canGoOn ? [
        button("Go on", goOn),
        button("Delete what is done", async () => { await change("discard_making"); show(); }),
      ] : []),
    ];
  }
}

function skippedFiles({ skipped, skippedFiles: files }) {
  const more = skipped - files.length;
  return make(
    "details", { class: "skipped" },
    make("summary", {}, skipped === 1 ? "1 file was skipped" : `${skipped.toLocaleString("en")} files were skipped`),
    make(
      "ul", {},
      files.map(({ path, reason }) => make("li", {}, `${path}: ${reason}`)),
      more ? make("li", {}, `and ${more.toLocaleString("en")} more`) : null,
    ),
  );
}

function wordsOf({ stage, done, total, rate, secondsLeft, stopping }) {
  if (stopping) return "Stopping …";
  const left = secondsLeft === null || secondsLeft === undefined ? "" : `, ${duration(secondsLeft)} left`;
  const megabytes = (bytes) => Math.round(bytes / 1e6).toLocaleString("en");
  const words = {
    prepare: "Loading the model …",
    collect: `Putting the pictures in their place: ${done} of ${total}`,
    unpack: `Unpacking ${megabytes(done)} of ${megabytes(total)} MB${left}`,
    list: "Listing the pictures …",
    embed: `Embedding ${done} of ${total}, ${Math.round(rate)} images/s${left}`,
    train: "Training the index …",
    measure: "Measuring its recall …",
  };
  return words[stage] || "";
}

function duration(seconds) {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  return seconds < 6000 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

// What is done to galleries, one job at a time: begun for the panel, shown there and in a line beside
// its button, until its end is put away or the next job begins.

import { outcomeOf } from "./create_outcome.js";
import { watchBuild, wordsOf } from "./create_progress.js";
import { requestAddition, requestBuild } from "./create_upload.js";
import { makeJob } from "./job.js";
import { makeLine } from "./job_line.js";
import { button } from "./make.js";
import { managedOutcomeOf } from "./manage_outcome.js";
import { ofBrowser } from "./storage.js";

/** @import { Answer, Ask, Progress, Upload } from "../types.js" */
/** @import { Filled } from "./create_form.js" */
/** @import { Watch } from "./create_progress.js" */
/** @import { Tools } from "./create_upload.js" */
/** @import { Job } from "./job.js" */
/** @typedef {ReturnType<typeof makeNews>} News */
/**
 * @typedef {object} Work
 * @property {HTMLElement[]} elements for the panel
 * @property {HTMLElement} line for the page
 * @property {() => void} start
 * @property {(form: Filled) => Promise<void>} makeGallery
 * @property {(request: object) => Promise<string>} gather
 * @property {(gallery: string) => unknown} update
 * @property {(gallery: string, files: File[]) => Promise<string | undefined>} add
 * @property {(name: string) => void} forget
 */
/** @typedef {(tools: Tools) => Promise<string | undefined>} Uploads a request that may upload */
/** @typedef {(request: string, body?: object) => unknown} Begin */

/** @param {Progress} progress */
const isMaking = ({ kind = "make" }) => kind === "make";
/** @param {Progress} progress */
const isUnfinished = (progress) => isMaking(progress) && Boolean(progress.can_go_on);
/** @param {Progress} progress */
const wordsWithName = (progress) => (isMaking(progress) ? wordsOf(progress) : `${progress.name}: ${wordsOf(progress)}`);

/**
 * Return what runs jobs: its elements, and functions that begin them, which return why one did not.
 * @param {object} tools
 * @param {Ask} tools.ask
 * @param {Upload} tools.upload
 * @param {Answer} tools.options what the server takes
 * @param {number} tools.mostBytes of an archive or a picture
 * @param {number} tools.mostPictureBytes
 * @param {() => void} tools.open shows the panel
 * @param {(name: string) => unknown} tools.use searches a gallery
 * @param {(progress: Progress) => unknown} tools.changed is called with what a job has changed
 * @param {(isBusy: boolean) => void} tools.busy is called when a job begins or ends
 * @param {(name?: string) => unknown} tools.focus gives the keyboard a place when the end of a
 *   gallery's job is put away
 * @returns {Work}
 */
export function makeWork({ ask, options, open, use, changed, busy, focus, ...limits }) {
  const news = makeNews();
  const watch = watchBuild(ask, { show: () => job.show(), say: (message) => job.say(message), done: () => changed(watch.current()) });
  const line = makeLine({ open, hide, cancel: () => job.stop() });
  const job = makeJob({
    ask, watch, words: wordsWithName,
    isOwn: (progress) => news.isNews() || progress.state === "running" || isUnfinished(progress),
    changed: (shown) => {
      news.see(shown.progress);
      line.show(shown, !news.isNews(), news.lost());
      busy(job.isBusy());
    },
    outcomeOf: (progress) => [
      ...outcome(progress, { use, begin, discard: () => job.once(() => job.change("discard_making")) }),
      ...(progress.state === "idle" || isUnfinished(progress) ? [] : [button("Hide", hide)]),
    ],
  });
  /** @type {Begin} */
  const begin = (request, body) => once(() => job.change(request, body, watch.began));

  /**
   * Run a request, unless a job is at work; what ended before is no news any more.
   * @param {() => Promise<void>} request
   */
  function once(request) {
    if (job.isBusy()) return undefined;
    news.begin();
    job.say("");
    return job.once(request);
  }

  /**
   * Run a request that uploads; return why nothing came of it.
   * @param {Uploads} request
   * @param {number} mostBytes
   */
  async function send(request, mostBytes) {
    let problem = "";
    const tools = { ...limits, ask, mostBytes, suffixes: options.suffixes, show: job.show, began: watch.began };
    await once(async () => { problem = await uploading(request, tools, job, news) || ""; });
    return problem;
  }

  function hide() {
    putAway();
    focus(watch.current().name);
  }

  function putAway() {
    news.putAway();
    job.say("");
    job.show();
  }

  function start() {
    if (options.progress) {
      news.recall(options.progress);
      watch.take(options.progress);
    }
    if (!news.isNews()) job.say(options.message); // not how an earlier visitor's ended
    job.show();
  }

  return {
    elements: Object.values(job.elements), line: line.element, start, gather: gathering(ask, watch, job, news),
    makeGallery: async (form) => {
      const problem = await send((tools) => requestBuild(form, tools), limits.mostBytes);
      if (problem) job.say(problem);
      const progress = problem && (await ask("making")).progress; // perhaps another build runs
      if (progress?.state === "running") watch.take(progress);
      job.show();
    },
    update: (gallery) => begin("update_gallery", { gallery }),
    add: (gallery, files) => send((tools) => requestAddition({ gallery, files }, tools), limits.mostPictureBytes),
    // A gallery that was renamed or deleted: what was done to it before says nothing any more.
    forget: (name) => { if (!job.isBusy() && watch.current().name === name) putAway(); },
  };
}

/**
 * Return what begins a gallery of images of another one, and returns why not.
 * @type {(ask: Ask, watch: Watch, job: Job, news: News) => (request: object) => Promise<string>}
 */
const gathering = (ask, watch, job, news) => async (request) => {
  const { message, progress } = await ask("make_selection", request);
  if (progress) {
    news.begin();
    watch.began(progress);
    job.say("");
    job.show();
  }
  return message || "";
};

/**
 * Send a request that may upload; why that came to nothing is told beside the panel, too.
 * @param {Uploads} request
 * @param {Omit<Tools, "startUpload">} tools
 * @param {Job} job
 * @param {News} news
 */
async function uploading(request, tools, job, news) {
  let hasUploaded = false;
  /** @type {Tools["startUpload"]} */
  const startUpload = (count) => {
    hasUploaded = true;
    return job.startUpload(count);
  };
  const problem = await request({ ...tools, startUpload });
  if (hasUploaded) news.lose(problem);
  return problem;
}

/** @param {Progress} progress @param {{ use: (name: string) => unknown, begin: Begin, discard: () => unknown }} acts */
function outcome(progress, { use, begin, discard }) {
  const resume = () => begin("go_on");
  if (isMaking(progress)) return outcomeOf(progress, { searchIn: () => use(progress.name ?? ""), resume, discard });
  return managedOutcomeOf(progress, {
    resume, accept: () => begin("update_gallery", { gallery: progress.name, accept_removals: true }),
  });
}

const SEEN = "ris:job"; // the job that this browser has seen running, and whose end it wants to see
/** @param {Progress} progress */
const keyOf = ({ kind = "make", name }) => `${kind} ${name}`;

/** Return whether the end of the last job is still to be shown, also after the page was loaded again. */
function makeNews() {
  let isNews = false;
  let lost = ""; // why an upload came to nothing

  function begin(is = true) {
    isNews = is;
    lost = "";
    ofBrowser.set(SEEN, "");
  }

  return {
    begin, putAway: () => begin(false), isNews: () => isNews, lost: () => lost,
    /** @param {string} [why] */
    lose: (why) => { lost = why || ""; },
    /** @param {Progress} progress */
    see: (progress) => { if (progress.state === "running") ofBrowser.set(SEEN, keyOf(progress)); },
    /** @param {Progress} progress */
    recall: (progress) => { isNews = progress.state === "running" || ofBrowser.get(SEEN) === keyOf(progress); },
  };
}

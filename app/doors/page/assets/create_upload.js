// A filled-in form → uploads, a few at once, and the request to build a gallery of them, or to add
// them to one.

/** @import { Ask, Progress, Upload, Uploading } from "../types.js" */
/** @import { Filled } from "./create_form.js" */
/** @typedef {{ path: string, name: string }} Sent a file that was uploaded, and what it was called */
/**
 * @typedef {object} Tools
 * @property {Ask} ask
 * @property {Upload} upload
 * @property {string[]} suffixes of pictures
 * @property {number} mostBytes of a file
 * @property {(files: number) => Uploading} startUpload
 * @property {() => void} show is called after each file
 * @property {(progress: Progress) => void} began is called with the progress of a job that began
 */

const AT_ONCE = 3;

/**
 * Ask for a build; return why none began.
 * @param {Filled} form
 * @param {Tools} tools
 * @returns {Promise<string | undefined>}
 */
export async function requestBuild(form, { ask, upload, suffixes, mostBytes, startUpload, show, began }) {
  const { name, model, kind, folder } = form;
  const { files = [], problem } = filesToUpload(form, suffixes, mostBytes);
  if (problem) return problem;
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const refused = (await ask("may_make", { name, model, bytes })).message;
  if (refused) return refused;
  /** @param {object} pictures */
  const build = async (pictures) => {
    const { progress, message } = await ask("make_gallery", { name, model, pictures });
    if (progress) began(progress);
    return message;
  };
  if (kind === "folder") return build({ kind, folder });
  if (!files.length) return kind === "zip" ? "Choose a ZIP archive first." : "Choose the pictures first.";
  return sendAll(files, (sent) => build(kind === "zip" ? { kind, ...sent[0] } : { kind: "files", files: sent }), {
    ask, upload, startUpload, show,
  });
}

/**
 * Ask for files to be added to a gallery; return why they are not.
 * @param {{ gallery: string, files: File[] }} addition
 * @param {Tools} tools
 * @returns {Promise<string | undefined>}
 */
export async function requestAddition({ gallery, files }, { mostBytes, began, ...tools }) {
  const { ask } = tools;
  if (!files.length) return "Choose the pictures first.";
  const { problem } = filesToUpload({ kind: "files", files }, [], mostBytes);
  if (problem) return problem;
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const refused = (await ask("may_add", { gallery, bytes })).message;
  if (refused) return refused;
  return sendAll(files, async (sent) => {
    const { progress, message } = await ask("add_pictures", { gallery, files: sent });
    if (progress) began(progress);
    return message;
  }, tools);
}

/**
 * Upload files and hand them to `use`; return why they were not used, in which case they are deleted.
 * @param {File[]} files
 * @param {(sent: Sent[]) => Promise<string | undefined>} use
 * @param {Pick<Tools, "ask" | "upload" | "startUpload" | "show">} tools
 */
async function sendAll(files, use, { ask, upload, startUpload, show }) {
  const { sent, problem } = await uploadAll(files, upload, startUpload(files.length), show);
  const reason = problem || await use(sent);
  if (reason) await ask("forget_uploads", { paths: sent.filter(Boolean).map(({ path }) => path) });
  return reason;
}

/**
 * Return {files} to upload of those chosen, or {problem}: why they cannot be.
 * @param {Pick<Filled, "kind" | "files">} form
 * @param {string[]} [suffixes]
 */
export function filesToUpload({ kind, files }, suffixes = [], mostBytes = Infinity) {
  /** @param {File} file */
  const isPicture = ({ name }) => suffixes.some((suffix) => name.toLowerCase().endsWith(suffix));
  const chosen = kind === "directory" ? files.filter(isPicture) : files;
  if (files.length && !chosen.length) return { problem: "That folder holds no picture: choose another one." };
  const large = chosen.find((file) => file.size > mostBytes);
  if (large) return { problem: `${large.name} is larger than ${sizeOf(mostBytes)}: choose fewer or smaller files.` };
  return { files: chosen };
}

/** @param {number} bytes */
const sizeOf = (bytes) => (bytes < 1e9 ? `${bytes / 1e6} MB` : `${bytes / 1e9} GB`);

/**
 * Return what was uploaded, and why not all was.
 * @param {File[]} files
 * @param {Upload} upload
 * @param {Uploading} uploading is kept up to date, and cancels when `cancelled` is set
 * @param {() => void} show
 */
export async function uploadAll(files, upload, uploading, show) {
  // Each file gets a unique name: otherwise equal pictures, or one that is a query too, would share one.
  const token = Math.random().toString(36).slice(2);
  /** @type {Sent[]} */
  const sent = [];
  let next = 0;
  let problem = "";

  async function uploadSome() {
    while (next < files.length && !problem) {
      const number = next;
      const file = files[number];
      next += 1;
      try {
        const { path } = await upload(new File([file], `${token}-${number}`, { type: file.type }));
        sent[number] = { path, name: file.webkitRelativePath || file.name };
        uploading.done += 1;
      } catch {
        problem = `${file.name} could not be uploaded: choose it again, or check whether the server's disk is full.`;
      }
      if (uploading.cancelled) problem = "The upload was cancelled, and nothing was made of it: start again.";
      show();
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, uploadSome));
  return { sent, problem };
}

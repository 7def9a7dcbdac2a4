// A filled-in form → uploads, a few at once, and the request to build a gallery of them.

const AT_ONCE = 3;

// Ask for a build. `began` is called with the progress of one that began; otherwise the message is
// returned why none did. `startUpload` returns an upload's {done, total, cancelled} for a number of
// files, and `show` is called after each.
export async function requestBuild(form, { ask, upload, suffixes, mostBytes, startUpload, show, began }) {
  const { name, model, kind, folder } = form;
  const { files, problem } = filesToUpload(form, suffixes, mostBytes);
  if (problem) return problem;
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const refused = (await ask("may_make", { name, model, bytes })).message;
  if (refused) return refused;
  const build = async (pictures) => {
    const { progress, message } = await ask("make_gallery", { name, model, pictures });
    if (progress) began(progress);
    return message;
  };
  if (kind === "folder") return build({ kind, folder });
  if (!files.length) return kind === "zip" ? "Choose a ZIP archive first." : "Choose the pictures first.";
  const { sent, problem: failed } = await uploadAll(files, upload, startUpload(files.length), show);
  const pictures = kind === "zip" ? { kind, ...sent[0] } : { kind: "files", files: sent };
  const reason = failed || await build(pictures);
  if (reason) await ask("forget_uploads", { paths: sent.filter(Boolean).map(({ path }) => path) });
  return reason;
}

// Return {files} to upload of those chosen, or {problem}: why they cannot be.
export function filesToUpload({ kind, files }, suffixes = [], mostBytes = Infinity) {
  const isPicture = ({ name }) => suffixes.some((suffix) => name.toLowerCase().endsWith(suffix));
  const chosen = kind === "directory" ? files.filter(isPicture) : files;
  if (files.length && !chosen.length) return { problem: "That folder holds no picture: choose another one." };
  const large = chosen.find((file) => file.size > mostBytes);
  if (large) return { problem: `${large.name} is larger than ${mostBytes / 1e9} GB: choose fewer or smaller files.` };
  return { files: chosen };
}

// Return {sent, problem}: the path and name of each file that was uploaded, and why not all were.
// `uploading` is {done, total, cancelled}: it is kept up to date, and cancels when `cancelled` is set.
export async function uploadAll(files, upload, uploading, show) {
  // Each file gets a unique name: otherwise equal pictures, or one that is a query too, would share one.
  const token = Math.random().toString(36).slice(2);
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
      if (uploading.cancelled) problem = "The upload was cancelled, and no gallery was made: start again.";
      show();
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, uploadSome));
  return { sent, problem };
}

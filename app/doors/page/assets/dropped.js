// Several files at once → the pictures that are searched with, and a sentence about the others.

const MOST_LETTERS = 40;
export const MOST_PICTURES = 10; // of one search, as on the server
const DRAWING = "image/svg+xml"; // it has no pixels

export const FOLDERS = "Folders are not searched with: drop a picture.";

/**
 * Return the files that are most likely pictures: by what the browser says of them, or by the
 * suffixes in `accepted`, a file input's list; else one of which nothing is known; else the first.
 * @param {File[]} files
 * @param {string} accepted
 */
export function picturesAmong(files, accepted) {
  const suffixes = accepted.split(",").filter((each) => each.startsWith("."));
  /** @param {File} file */
  const isPicture = ({ name, type }) => (type.startsWith("image/") && type !== DRAWING)
    || suffixes.some((suffix) => name.toLowerCase().endsWith(suffix));
  const pictures = files.filter(isPicture).slice(0, MOST_PICTURES);
  return pictures.length ? pictures : [files.find(({ type }) => type === "") || files[0]];
}

/**
 * Return the sentence about what came with the files that are taken; "" where nothing did.
 * @param {File[]} files
 * @param {File[]} taken
 */
export function leftOut(files, taken, folders = 0) {
  const [other, ...more] = [
    ...files.filter((file) => !taken.includes(file)).map(({ name }) => shortened(name)), ...Array(folders).fill("a folder"),
  ];
  if (other === undefined) return "";
  return `${other} ${more.length ? `and ${more.length} more were` : "was"} left out: pictures are searched with, up to ${MOST_PICTURES} at a time.`;
}

/**
 * Return what was dropped as {files, folders}: a list and a number.
 * @param {DataTransfer} dataTransfer
 */
export function filesOf(dataTransfer) {
  const items = [...(dataTransfer.items || [])].filter(({ kind }) => kind === "file");
  /** @param {DataTransferItem} item */
  const isFolder = (item) => item.webkitGetAsEntry?.()?.isDirectory === true;
  const folders = items.filter(isFolder).length;
  if (!folders) return { files: [...dataTransfer.files], folders };
  return { files: items.flatMap((item) => (isFolder(item) ? [] : item.getAsFile() ?? [])), folders };
}

/** @param {string} name */
export function shortened(name) {
  return name.length > MOST_LETTERS ? `${name.slice(0, MOST_LETTERS - 9)}…${name.slice(-8)}` : name;
}

// Several files at once → the one that is searched with, and a sentence about the others.

const MOST_LETTERS = 40;
const DRAWING = "image/svg+xml"; // it has no pixels

export const FOLDERS = "Folders are not searched with: drop a picture.";

// Return the file that is most likely a picture: by what the browser says of it, or by the suffixes
// in `accepted`, a file input's list; then one of which nothing is known; then the first.
export function pictureAmong(files, accepted) {
  const suffixes = accepted.split(",").filter((each) => each.startsWith("."));
  const isPicture = ({ name, type }) => (type.startsWith("image/") && type !== DRAWING)
    || suffixes.some((suffix) => name.toLowerCase().endsWith(suffix));
  return files.find(isPicture) || files.find(({ type }) => type === "") || files[0];
}

// Return the sentence about what came with the file that is taken; "" where nothing did.
export function leftOut(files, taken, folders = 0) {
  const [other, ...more] = [
    ...files.filter((file) => file !== taken).map(({ name }) => shortened(name)), ...Array(folders).fill("a folder"),
  ];
  if (other === undefined) return "";
  return `${other} ${more.length ? `and ${more.length} more were` : "was"} left out: one picture at a time.`;
}

// Return what was dropped as {files, folders}: a list and a number.
export function filesOf(dataTransfer) {
  const items = [...(dataTransfer.items || [])].filter(({ kind }) => kind === "file");
  const isFolder = (item) => item.webkitGetAsEntry?.()?.isDirectory === true;
  const folders = items.filter(isFolder).length;
  if (!folders) return { files: [...dataTransfer.files], folders };
  return { files: items.filter((item) => !isFolder(item)).map((item) => item.getAsFile()), folders };
}

export function shortened(name) {
  return name.length > MOST_LETTERS ? `${name.slice(0, MOST_LETTERS - 9)}…${name.slice(-8)}` : name;
}

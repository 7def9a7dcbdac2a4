// Several files at once → the one that is searched with, and a sentence about the others.

const MOST_LETTERS = 40;

export const FOLDERS = "Folders are not searched with: drop a picture.";

// Return the first file that may be a picture, as far as the browser knows; the first if none may.
// Of HEIC and of cameras' raw files some browsers know no type.
export function pictureAmong(files) {
  return files.find(({ type }) => type === "" || type.startsWith("image/")) || files[0];
}

// Return the sentence about the files that were left out; "" where there are none.
export function leftOut(files, taken) {
  const [other, ...more] = files.filter((file) => file !== taken).map(({ name }) => shortened(name));
  if (other === undefined) return "";
  const were = more.length ? `and ${more.length} more were` : "was";
  return `Searched with ${shortened(taken.name)}; ${other} ${were} left out: one picture at a time.`;
}

// Return what was dropped as {files, folders}: a list and a number.
export function filesOf(dataTransfer) {
  const items = [...(dataTransfer.items || [])].filter(({ kind }) => kind === "file");
  const isFolder = (item) => item.webkitGetAsEntry?.()?.isDirectory === true;
  const folders = items.filter(isFolder).length;
  if (!folders) return { files: [...dataTransfer.files], folders };
  return { files: items.filter((item) => !isFolder(item)).map((item) => item.getAsFile()), folders };
}

function shortened(name) {
  return name.length > MOST_LETTERS ? `${name.slice(0, MOST_LETTERS - 9)}…${name.slice(-8)}` : name;
}

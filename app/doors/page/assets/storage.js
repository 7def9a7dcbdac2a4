// What a browser keeps: for the tab, or for longer. Where it keeps nothing, there is nothing.

/** @param {"sessionStorage" | "localStorage"} name @returns {Storage | null} */
function storageOf(name) {
  try {
    return globalThis[name] ?? null; // asking is an error where a visitor has forbidden it
  } catch {
    return null;
  }
}

/** @param {Parameters<typeof storageOf>[0]} name */
function kept(name) {
  const storage = storageOf(name);
  return {
    /** @param {string} key */
    get: (key) => storage?.getItem(key) ?? null,
    /** @param {string} key @param {string} value */
    set(key, value) {
      try {
        storage?.setItem(key, value);
      } catch {
        // it is full
      }
    },
  };
}

export const ofTab = kept("sessionStorage");
export const ofBrowser = kept("localStorage");

// What a browser keeps: for the tab, or for longer. Where it keeps nothing, there is nothing.

function storageOf(name) {
  try {
    return globalThis[name] ?? null; // asking is an error where a visitor has forbidden it
  } catch {
    return null;
  }
}

function kept(name) {
  const storage = storageOf(name);
  return {
    get: (key) => storage?.getItem(key) ?? null,
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

// A key → another place in a grid, as its rows lie on screen.

/**
 * Return the place that a key leads to from another in a grid; undefined where it leads nowhere.
 * @param {number} at
 * @param {string} key
 * @param {number} count how many places there are
 * @param {number} columns
 * @returns {number | undefined}
 */
export function placeFrom(at, key, count, columns) {
  const row = Math.floor(at / columns);
  const isLastRow = row === Math.floor((count - 1) / columns);
  const place = {
    ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns,
    ArrowDown: isLastRow ? count : Math.min(at + columns, count - 1), // the last row may be short
    Home: 0, End: count - 1,
  }[key];
  return place !== undefined && place >= 0 && place < count ? place : undefined;
}

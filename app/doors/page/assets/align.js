// How a result's picture lies in the query's → the places of both in one frame.

/** @import { Alignment, Match } from "../types.js" */

/** @param {number} share */
const percent = (share) => `${100 * share}%`;

/**
 * Return {ratio, reach, places} of a result with a match, see `Match` in app/values. The frame has
 * the query's shape; `ratio` is its width by its height, `reach` how often larger it must be, from
 * its middle, to hold the result's whole picture too; `places` are the styles of both.
 * @param {{ match: Match, width: number, height: number }} hit
 * @returns {Alignment}
 */
export function alignmentOf({ match, width, height }) {
  const [a, b, c, d, e, f] = match.matrix;
  /** @param {number[]} corner */
  const moved = ([x, y]) => [a * x * width + b * y * height + c, d * x * width + e * y * height + f];
  const [wide, high] = querySize(match, moved, [width, height]);
  const scale = Math.sqrt(Math.abs(a * e - b * d));
  const outwards = [[0, 0], [1, 0], [1, 1], [0, 1]].map(moved)
    .flatMap(([x, y]) => [Math.abs(2 * x / wide - 1), Math.abs(2 * y / high - 1)]);
  return {
    ratio: wide / high,
    reach: Math.max(1, ...outwards),
    places: [
      { left: "0%", top: "0%", width: "100%", height: "100%" },
      {
        left: percent(c / wide), top: percent(f / high),
        // Laid out about as large as it is shown: browsers scale that better than a transform.
        width: percent(width * scale / wide), height: percent(height * scale / high),
        transform: `matrix(${[a, d, b, e].map((each) => each / scale).join(", ")}, 0, 0)`,
      },
    ],
  };
}

/**
 * The query is decoded at a size of its own. Both polygons are one region: what its edge at the
 * right and at the bottom is in pixels and as a fraction tells how many pixels the query has.
 * @param {Match} match
 * @param {(corner: number[]) => number[]} moved
 * @param {number[]} imageSize
 */
function querySize({ in_query, in_image }, moved, imageSize) {
  if (!in_query.length) return imageSize; // the same file
  const seen = in_image.map(moved);
  /** @param {number[][]} points @param {number} axis */
  const furthest = (points, axis) => Math.max(...points.map((point) => point[axis]));
  return [0, 1].map((axis) => furthest(seen, axis) / furthest(in_query, axis));
}

// Two pictures in one frame: a point of the result lies where the query shows the same.

import assert from "node:assert/strict";
import { test } from "node:test";

import { alignmentOf } from "../../../../app/doors/page/assets/align.js";

// Where the styles of a picture put a point of it, in fractions of the frame.
function placed({ left, top, width, height, transform = "matrix(1, 0, 0, 1, 0, 0)" }, ratio, [x, y]) {
  const [a, b, c, d] = transform.match(/-?[\d.]+(e-?\d+)?/g).map(Number);
  // Lengths of the frame: it is `ratio` wide and 1 high.
  const [across, down] = [x * parseFloat(width) * ratio, y * parseFloat(height)];
  return [
    parseFloat(left) / 100 + (a * across + c * down) / (100 * ratio),
    parseFloat(top) / 100 + (b * across + d * down) / 100,
  ];
}

function near(got, wanted) {
  got.forEach((each, i) => assert.ok(Math.abs(each - wanted[i]) < 1e-3, `${got} is not ${wanted}`));
}

// The middle 200 × 100 of 400 × 300, shown twice as large: 400 × 200.
const CROP = {
  width: 400, height: 300,
  match: {
    matrix: [2, 0, -200, 0, 2, -200],
    in_query: [[0, 0], [1, 0], [1, 1], [0, 1]],
    in_image: [[0.25, 1 / 3], [0.75, 1 / 3], [0.75, 2 / 3], [0.25, 2 / 3]],
  },
};

test("a picture reaches out of the part of it that was cut out", () => {
  const { ratio, reach, places: [query, image] } = alignmentOf(CROP);
  near([ratio, reach], [2, 3]);
  assert.deepEqual([query.left, query.width, query.height], ["0%", "100%", "100%"]);
  near(placed(image, ratio, [0.25, 1 / 3]), [0, 0]);
  near(placed(image, ratio, [0.75, 2 / 3]), [1, 1]);
  near(placed(image, ratio, [0, 0]), [-0.5, -1]);
});

test("a mirrored one is mirrored back, a turned one turned", () => {
  const whole = [[0, 0], [1, 0], [1, 1], [0, 1]];
  const mirrored = alignmentOf({ width: 400, height: 300, match: { matrix: [-0.5, 0, 200, 0, 0.5, 0], in_query: whole, in_image: whole } });
  near([mirrored.ratio, mirrored.reach], [4 / 3, 1]);
  near(placed(mirrored.places[1], mirrored.ratio, [0, 0]), [1, 0]);
  near(placed(mirrored.places[1], mirrored.ratio, [1, 1]), [0, 1]);
  const turned = alignmentOf({ width: 400, height: 300, match: { matrix: [0, -1, 300, 1, 0, 0], in_query: whole, in_image: whole } });
  near([turned.ratio], [3 / 4]);
  near(placed(turned.places[1], turned.ratio, [0, 0]), [1, 0]);
  near(placed(turned.places[1], turned.ratio, [1, 0]), [1, 1]);
});

test("a picture inside a larger one lies in its corner of it", () => {
  const match = {
    matrix: [0.5, 0, 600, 0, 0.5, 250], in_image: [[0, 0], [1, 0], [1, 1], [0, 1]],
    in_query: [[0.75, 0.625], [1, 0.625], [1, 1], [0.75, 1]],
  };
  const { ratio, reach, places } = alignmentOf({ width: 400, height: 300, match });
  near([ratio, reach], [2, 1]);
  near(placed(places[1], ratio, [0, 0]), [0.75, 0.625]);
});

test("the same file covers itself", () => {
  const match = { matrix: [1, 0, 0, 0, 1, 0], in_query: [], in_image: [] };
  const { ratio, reach, places } = alignmentOf({ width: 400, height: 300, match });
  near([ratio, reach], [4 / 3, 1]);
  near(placed(places[1], ratio, [1, 1]), [1, 1]);
});

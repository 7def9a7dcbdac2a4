// What is known of an image → rows to read: names and values in words, and what is worth copying.

const MOMENT = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;
// The names and values that pictures have of themselves, in the order to read them; a column of a
// table may have the same name, and other values.
/** @type {Record<string, string>} */
const NAMES = {
  taken: "Taken", camera: "Camera", lens: "Lens", iso: "ISO", focal_length: "Focal length",
  exposure: "Exposure", aperture: "Aperture", description: "Description", rating: "Rating",
};
/** @type {Record<string, (value: number) => string>} */
const VALUES = {
  focal_length: (value) => `${value} mm`,
  exposure: (value) => (value < 0.3 ? `1/${Math.round(1 / value)} s` : `${value} s`),
  aperture: (value) => `f/${value}`,
  rating: (value) => (value <= 5 ? `${value} of 5` : `${value}`),
};

/**
 * Return the rows of an image's metadata. What was taken somewhere has one row of coordinates.
 * @param {Record<string, string | number>} metadata
 * @returns {{ name: string, value: string, copied?: string }[]}
 */
export function metadataRows(metadata) {
  const { latitude, longitude, ...others } = metadata;
  const isPlace = typeof latitude === "number" && typeof longitude === "number";
  /** @param {string[]} names */
  const rows = (names) => names.filter((name) => name in metadata)
    .map((name) => ({ name: nameInWords(name), value: valueInWords(name, metadata[name]) }));
  const place = isPlace ? [{ name: "Place", value: degrees(latitude, longitude), copied: `${latitude}, ${longitude}` }] : [];
  const further = Object.keys(isPlace ? others : metadata).filter((name) => !(name in NAMES));
  const [when, ...how] = Object.keys(NAMES);
  return [...rows([when]), ...place, ...rows(how), ...rows(further)];
}

/** @param {string} name */
function nameInWords(name) {
  const words = NAMES[name] ?? name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** @param {string} name @param {string | number} value */
function valueInWords(name, value) {
  if (typeof value === "number" && value > 0 && VALUES[name]) return VALUES[name](value);
  return momentInWords(`${value}`);
}

/** @param {number} latitude @param {number} longitude */
const degrees = (latitude, longitude) => (
  `${Math.abs(latitude)}° ${latitude < 0 ? "S" : "N"}, ${Math.abs(longitude)}° ${longitude < 0 ? "W" : "E"}`
);

/**
 * Return a date, or a moment as the clock showed it where the picture was taken, in words; another
 * text as it is.
 * @param {string} text
 */
export function momentInWords(text) {
  const [, day, time, offset] = text.match(MOMENT) || [];
  const date = new Date(`${day}T00:00Z`);
  if (!day || Number.isNaN(date.getTime())) return text;
  const words = date.toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" });
  const zone = offset ? ` (UTC${offset === "Z" ? "" : offset})` : "";
  return time ? `${words}, ${time}${zone}` : words;
}

/**
 * Return how large an image is, in pixels and bytes.
 * @param {{ width: number, height: number, bytes: number }} image
 */
export function sizeInWords({ width, height, bytes }) {
  // Imported vectors may have come without their pictures.
  if (!width) return "not known: the picture is not here";
  const size = bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  return `${width} × ${height} pixels, ${size}`;
}

/**
 * Return the path from the root on, where the image's folder is known.
 * @param {{ source: number, path: string }} image
 * @param {string[]} [sources] the folders of its gallery
 */
export function wholePath({ source, path }, sources = []) {
  const folder = sources[source];
  if (!folder) return path;
  const mark = folder.includes("\\") && !folder.includes("/") ? "\\" : "/";
  return folder.endsWith(mark) ? folder + path : folder + mark + path;
}

/** @param {{ path: string }} image */
export const fileNameOf = ({ path }) => path.split("/").at(-1) ?? path;

// What the page's scripts hand one another. The shapes of the server's answers are those of
// app/doors/answers.py, of which only what the page reads is named here.

export type Id = number | string;
export type Box = number[]; // left, top, right, bottom, as fractions of a picture's sides
export type Corners = number[][]; // [x, y] each, as fractions
export type Size = [width: number, height: number];

/** Where an image is. */
export interface Place {
  id: Id;
  gallery: string;
  path: string;
  source: number;
  labels: string[];
}

/** An image of a gallery; `shown_url` is its original, or its thumbnail where that is not here. */
export interface GalleryImage extends Place {
  image_url: string;
  thumbnail_url: string;
  shown_url: string;
  width: number;
  height: number;
  bytes: number;
  sha256: string;
  metadata: Record<string, string | number>;
}

/** How an image shows the very picture that the query shows, see `Match` in app/values. */
export interface Match {
  kind: string;
  score: number;
  reason: string;
  of_query: number;
  of_image: number;
  matrix: number[];
  in_query: Corners;
  in_image: Corners;
  probably: boolean;
}

export interface Hit extends GalleryImage {
  rank: number;
  score: number;
  kind: string;
  match: Match | null;
  places: Place[];
  copies: number;
  remarks: string[];
  duplicate_of: number | null;
  missed: boolean;
}

/** The answer to a query; `isRead` says that a list has ended, or that its next part is on its way. */
export interface Results {
  hits: Hit[];
  gallery: string;
  verdict: string;
  timing_ms: Record<string, number>;
  exact: boolean;
  approximate: boolean;
  similar_enough: boolean;
  candidates: number;
  recall: number;
  notes: string[];
  words: string;
  listed: boolean;
  nearest: { images: number; labels: [label: string, images: number][] };
  isRead?: boolean;
}

/** A gallery's status and facts; those of one that was just chosen are not known yet. */
export interface Gallery {
  name: string;
  refused: string;
  uploads_off?: string;
  pictures_missing?: string;
  approximate?: boolean;
  disk_bytes?: number;
  images: number;
  holds: string;
  title: string;
  sources: string[];
  model: string;
  floor: number | null;
  copies?: boolean;
  created: string;
  changed: string;
  notes: string[];
  summary: [fact: string, value: string][];
}

/** A query picture, see app/doors/page/references.py. */
export interface Reference {
  kind: string;
  src?: string;
  name?: string;
  path?: string;
  gallery?: string;
  id?: Id;
  url?: string;
  photograph?: string;
  box?: Box | null;
  turns?: number;
  mirrored?: boolean;
}

/** A further picture of a query: an image of a gallery, or a file with its `reference`. */
export interface Example {
  id: Id;
  wish: string;
  name: string;
  thumbnail_url?: string;
  gallery?: string;
  reference?: Reference;
}

export interface Controls {
  k: number;
  exact: boolean;
  leave_out_same_file: boolean;
}

export interface Filters {
  min_score: number;
  label: string;
  where: string[];
  sort: string;
  hideDuplicates: boolean;
  words_weight: number;
}

/** What the page shows, and what is kept to come back to it. */
export interface Shown {
  original: Reference | null;
  edit: Reference | null;
  words: string;
  browsing: boolean;
  examples: Example[];
  controls: Controls;
  filters: Filters;
  gallery?: string;
}

export interface Past {
  key: string;
  place: Shown;
}

export interface State extends Omit<Shown, "gallery"> {
  galleries: Gallery[];
  gallery: Gallery | null;
  photographs: string[];
  drawn: GalleryImage[];
  results: Results | null;
  pointed: Hit | null;
  message: string;
  failed: boolean;
  busy: boolean;
  searching: string;
  shown: number;
  past: Past[];
}

/** The progress of a build or an update; only its state is known where there was none. */
export interface Progress {
  state: string;
  kind?: string;
  name?: string;
  stage?: string;
  done?: number;
  total?: number;
  rate?: number;
  seconds_left?: number | null;
  stopping?: boolean;
  message?: string;
  [fact: string]: unknown;
}

/** Where two pictures lie in one frame, see align.js. */
export interface Alignment {
  ratio: number;
  reach: number;
  places: Record<string, string>[];
}

/** An answer of the server: what was asked for, or a message why there is none. */
// biome-ignore lint/suspicious/noExplicitAny: each function's answer has a shape of its own
export type Answer = { message?: string } & Record<string, any>;
export type Ask = (name: string, request?: object) => Promise<Answer>;

declare global {
  interface Window {
    session: object;
  }
}

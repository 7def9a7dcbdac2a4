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
  shown_url: string; // added by state.js
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

/** The answer of the gallery that is shown beside the chosen one, or a message why there is none. */
export type OtherResults = (Results & { message?: undefined }) | { hits: Hit[]; message?: string };

/** A gallery's status and facts. */
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
  data?: string;
  model: string;
  index: string;
  recall_reranked: number;
  floor: number | null;
  copies?: boolean;
  created: string;
  changed: string;
  notes: string[];
  summary: [fact: string, value: string][];
}

/** The chosen gallery; of one that was just chosen, or is gone, no more may be known. */
export type ChosenGallery = Pick<Gallery, "name" | "refused"> & Partial<Gallery>;

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
  beside?: string;
}

export interface Past {
  key: string;
  place: Shown;
}

export interface State extends Omit<Shown, "gallery" | "beside"> {
  galleries: Gallery[];
  gallery: ChosenGallery | null;
  photographs: string[];
  drawn: GalleryImage[];
  results: Results | null;
  pointed: Hit | null;
  beside: string;
  other: OtherResults | null;
  isOtherAwaited: boolean;
  whyNone: string;
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
  can_go_on?: boolean;
  gone?: number;
  report?: Report;
}

/** What a build, an update or an addition did. */
export interface Report {
  images: number;
  seconds: number;
  recall: number;
  notes: string[];
  skipped: number;
  skipped_files: { path: string; reason: string }[];
  added?: number;
  changed?: number;
  moved?: number;
  removed?: number;
  replaced?: number;
  unchanged?: number;
  known?: number;
}

/** An image that shows the picture of a better one, the one of the id `of`. */
export interface Duplicate extends GalleryImage {
  changed?: number;
  kind: string;
  match: Match;
  of: Id;
}

/** Images that show one picture; the best has no more than its own facts. */
export interface Group {
  best: GalleryImage & { changed?: number };
  others: Duplicate[];
  kept?: undefined;
}

/** What stands in the place of a group that was decided to be none. */
export interface KeptApart {
  kept: true;
  ids: Id[];
  words: string;
  best?: undefined;
  others?: undefined;
}

export interface Duplicates {
  images: number;
  apart: number;
  outdated: boolean;
  groups_found: number;
  others_found: number;
  others_bytes: number;
  groups: Group[];
}

/** Where two pictures lie in one frame, see align.js. */
export interface Alignment {
  ratio: number;
  reach: number;
  places: Record<string, string>[];
}

/** What the images of a gallery differ in: `of` values, of which the most frequent are given. */
export interface Facet {
  column: string;
  values: [value: string | number, images: number][];
  of: number;
}

type AsAnswered<Image> = Omit<Image, "shown_url">;

/** The answers of the page's functions, see functions.py. */
interface Answers {
  open: { galleries?: Gallery[]; photographs?: string[] };
  gallery: { gallery?: Gallery; examples?: AsAnswered<GalleryImage>[] };
  ask: { query?: Reference | null; results?: (Omit<Results, "hits"> & { hits: AsAnswered<Hit>[] }) | null };
  cut: { query?: Reference };
  original: { missing?: string };
  facets: { facets?: Facet[] };
}

/** An answer of the server: what was asked for, or a message why there is none. */
// biome-ignore lint/suspicious/noExplicitAny: each function's answer has a shape of its own
export type Answer<Name = string> = { message?: string } & (Name extends keyof Answers ? Answers[Name] : Record<string, any>);
export type Ask = <Name extends string>(name: Name, request?: object) => Promise<Answer<Name>>;
/** The functions of the server, as Gradio hands them to a part of the page. */
export type Server = Record<string, (request: object) => unknown>;
/** Gradio's parts: sets its controls from the session, reloads its list of galleries, empties its field for addresses. */
export type Gradio = Record<"controls" | "galleryNames" | "noAddress", () => void>;
/** Uploads a file into the server's folder, by Gradio. */
export type Upload = (file: File) => Promise<{ path: string }>;

/** What a part of the page is started with, see layout.py. */
export interface Part {
  element: HTMLElement;
}

/** The files of an upload that are sent, of how many, and whether the rest is not to be. */
export interface Uploading {
  done: number;
  total: number;
  cancelled: boolean;
}

/** What is inserted into an element. */
export type Child = string | Node | null | undefined | false;
type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement | HTMLButtonElement;
/** An event at an element: at a field, or a button of words, it comes from nothing inside. */
export type At<Made, Kind = Event> = Kind & { currentTarget: Made; target: Made extends Control ? Made : Element };
/** Listeners by `on…`, properties and attributes of an element that is made. */
export type Attributes<Made> = Record<string, unknown> & {
  [Name in keyof HTMLElementEventMap as `on${Name}`]?: (event: At<Made, HTMLElementEventMap[Name]>) => unknown;
};

declare global {
  interface Window {
    startedWith: (page: object) => void;
  }
}

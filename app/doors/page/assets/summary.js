// A search's answer → the sentence above the results and the one below them.

const SHOWN = { shortlist: "shortlist and re-rank", rerank: "compare" };
const STAGES = ["fetch", "decode", "embed", "shortlist", "rerank", "lookup"];

// Return what to know before looking at the results; "" where there is nothing. `floor` is the
// score from which an image counts as similar there.
export function noticeOf({ similar_enough, notes, verdict }, floor) {
  const images = verdict ? "Images" : "Nothing in this gallery is really similar: images";
  return [
    similar_enough ? "" : `${images} count as similar from a score of ${floor.toFixed(2)} on, these do not reach it. `
      + "The nearest are shown all the same.",
    ...notes,
  ].filter(Boolean).join(" ");
}

// Return what a result is to the query, and why, in words; "" for one that is similar.
export function kindOf({ kind, match }) {
  if (!kind || kind === "similar" || kind === "matching") return "";
  return [`${match?.probably ? "probably " : ""}${kind}`, match?.reason].filter(Boolean).join(": ");
}

// Return how much of both pictures shows the same, in words; "" where that is not known.
export function overlapOf(match) {
  if (!match?.in_query.length) return "";
  return `${share(match.of_image)} of this picture, ${share(match.of_query)} of the query`;
}

const share = (part) => (part >= 0.995 ? "all" : `${Math.max(1, Math.round(100 * part))} %`);

// Return how long the search took, stage by stage, and how exact it is.
export function timingOf({ hits, timing_ms, ...how }) {
  if (hits[0]?.kind === "matching" || (how.words === "written" && !hits.length)) {
    return `${hits.length} of ${how.candidates} images in ${timing_ms.total.toFixed(1)} ms; nothing was compared.`;
  }
  const stages = STAGES
    .filter((stage) => timing_ms[stage])
    .map((stage) => `${SHOWN[stage] ?? stage} ${timing_ms[stage].toFixed(1)} ms`);
  return `${hits.length} results in ${timing_ms.total.toFixed(1)} ms (${stages.join(", ")}); ${exactness(hits, how)}.`;
}

function exactness(hits, { exact, approximate, candidates, recall }) {
  if (approximate) return "approximate: the gallery's vectors (its features folder) are not here";
  if (!exact) return `${candidates} candidates compared exactly; recall@10 of this index ${recall.toFixed(3)}`;
  const missed = hits.filter((hit) => hit.missed).length;
  return `exact search of all ${candidates} images${missed ? `; ${missed} of these the index misses` : ""}`;
}

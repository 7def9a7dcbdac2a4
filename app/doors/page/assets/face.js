// Which of its two faces the page shows: one to ask, in the middle; one to see what was found.

import { readAddress } from "./address.js";
import { isAsked, state } from "./session.js";

// A page that is opened by a link, or come back to, has its answer soon: nothing jumps then.
const { query, words, browsing } = readAddress(location.search);
const { place } = history.state || {};
let isExpected = Boolean(query || words || browsing || place?.edit || place?.words || place?.browsing);

export const isSearching = () => state.busy && Boolean(state.searching);

export function isSeeing() {
  isExpected &&= !isAsked() && !state.message;
  return isExpected || isSearching() || isAsked() || Boolean(state.results);
}

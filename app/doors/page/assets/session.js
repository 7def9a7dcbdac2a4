// A visitor's session: what is shown, the searches and the galleries, to the other parts of the page.
// They show `state` and change it through these functions; `places.js` keeps the ways back.

export * from "./choosing.js";
export * from "./searches.js";
export * from "./state.js";

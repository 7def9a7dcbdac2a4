// An image taken out of its gallery from the large view, where the operator allows it.

import { imagesRemoved } from "./changes.js";
import { withConfirmation } from "./confirm.js";
import { nameOf } from "./session.js";

/** @import { Ask, Hit } from "../types.js" */

/** @type {Ask | null} */
let ask = null;

/**
 * Show the button, which sends requests to the server by `call`.
 * @param {Ask} call
 */
export function allowRemoval(call) {
  ask = call;
}

/**
 * Return the button that takes a result out of its gallery, or null where it may not be.
 * @param {Hit} hit
 */
export function removalOf(hit) {
  if (!ask) return null;
  const send = ask;
  const { gallery } = hit;
  // Those of other galleries stay: their ids mean other images in this one.
  const places = (hit.places || []).filter((each) => each.gallery === gallery);
  const others = places.length ? `, with ${places.length} more of the same content,` : "";
  const ids = [hit.id, ...places.map(({ id }) => id)];
  return withConfirmation("Remove from this gallery", {
    question: () => `Remove ${nameOf(hit)}${others} from ${gallery}? The file of the picture stays.`,
    yes: () => "Remove it",
    act: async () => {
      const { message } = await send("remove_images", { gallery, ids });
      if (!message) await imagesRemoved(gallery, ids);
      return message;
    },
  });
}

// An image taken out of its gallery from the large view, where the operator allows it.

import { imagesRemoved } from "./changes.js";
import { withConfirmation } from "./confirm.js";
import { nameOf } from "./session.js";

let ask = null;

// `call` sends requests to the server; without it there is no button.
export function allowRemoval(call) {
  ask = call;
}

// Return the button that takes a result out of its gallery, or null where it may not be.
export function removalOf(hit) {
  if (!ask) return null;
  const { gallery } = hit;
  // Those of other galleries stay: their ids mean other images in this one.
  const places = (hit.places || []).filter((each) => each.gallery === gallery);
  const others = places.length ? `, with ${places.length} more of the same content,` : "";
  const ids = [hit.id, ...places.map(({ id }) => id)];
  return withConfirmation("Remove from this gallery", {
    question: () => `Remove ${nameOf(hit)}${others} from ${gallery}? The file of the picture stays.`,
    yes: () => "Remove it",
    act: async () => {
      const { message } = await ask("remove_images", { gallery, ids });
      if (!message) await imagesRemoved(gallery, ids);
      return message;
    },
  });
}

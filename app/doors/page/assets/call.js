// Requests to the page's functions on the server.

export const NO_ANSWER = "The server does not answer: check that it is running, then try again.";
export const NOT_TAKEN = "The server did not take this: it is asked too much just now, or from another page. Wait a moment, then try again.";

/** @import { Answer, Ask, Server } from "../types.js" */

/**
 * Return whether a message says that there was no answer, and nothing of what was asked.
 * @param {string} [message]
 */
export const isUnanswered = (message) => message === NO_ANSWER || message === NOT_TAKEN;

/**
 * Return a function that sends a request and always returns an answer: {message} where there is
 * none. Gradio returns nothing, or an error's body, where the server is gone, busy or broken.
 * @param {Server} server
 * @returns {Ask}
 */
export function callsTo(server, isRunning = answersItsHealth) {
  return async (name, request = {}) => {
    try {
      const answer = await server[name](request);
      if (answer && typeof answer === "object" && !("detail" in answer) && !("error" in answer)) return /** @type {Answer<any>} */ (answer);
    } catch {
      // the message below
    }
    return { message: await whyNoAnswer(isRunning) };
  };
}

/** Return why there was no answer: it is asked whether the server runs at all. */
export const whyNoAnswer = async (isRunning = answersItsHealth) => (await isRunning() ? NOT_TAKEN : NO_ANSWER);

async function answersItsHealth() {
  try {
    return (await fetch(new URL("healthz", document.baseURI))).ok;
  } catch {
    return false;
  }
}

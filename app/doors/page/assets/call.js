// Questions to the page's functions on the server.

export const NO_ANSWER = "The server does not answer: see whether it still runs, then try again.";

// Return a function that asks and always gives an answer: where there is none, a message says so.
// Gradio gives nothing, or an error's body, where the server is gone, busy or broken.
export function callsTo(server) {
  return async (name, request = {}) => {
    try {
      const answer = await server[name](request);
      if (answer && typeof answer === "object" && !("detail" in answer) && !("error" in answer)) return answer;
    } catch {
      // said below
    }
    return { message: NO_ANSWER };
  };
}

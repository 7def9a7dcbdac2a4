// Requests to the page's functions on the server.

export const NO_ANSWER = "The server does not answer: check that it is running, then try again.";

// Return a function that sends a request and always returns an answer: {message} where there is
// none. Gradio returns nothing, or an error's body, where the server is gone, busy or broken.
export function callsTo(server) {
  return async (name, request = {}) => {
    try {
      const answer = await server[name](request);
      if (answer?.title && answer.detail) return { message: answer.detail }; // a problem of the server's
      if (answer && typeof answer === "object" && !("detail" in answer) && !("error" in answer)) return answer;
    } catch {
      // the message below
    }
    return { message: NO_ANSWER };
  };
}

// The server as a page sees it: fetch, answered by the test.

/**
 * answer(url, options) -> {status?, body?, headers?}, an Error for a broken connection, or null for no answer at all.
 * Returns the list of requests: {url, method, headers, body}.
 */
export function answerRequests(answer) {
  const requests = [];
  globalThis.fetch = async (url, { method = "GET", headers = {}, body, signal }) => {
    const text = body instanceof Blob ? await body.text() : body;
    const request = { url, method, headers, body: typeof text === "string" ? JSON.parse(text) : text };
    requests.push(request);
    const given = await answer(request, requests.length);
    if (given instanceof Error) throw given;
    if (given === null) return new Promise((_resolve, reject) => { signal.addEventListener("abort", () => reject(signal.reason)); });
    const { status = 200, body: content = "", headers: sent = {} } = given;
    return new Response(status === 304 ? null : typeof content === "string" ? content : JSON.stringify(content), { status, headers: sent });
  };
  return requests;
}

export const broken = () => new TypeError("Failed to fetch");

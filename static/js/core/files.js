// Calls that answer with a file.

import { LONG_TIMEOUT, UNREADABLE, errorOf, parseJson, send } from "./http.js";

/** A JSON call for a response that is a file: resolves to {blob, filename}. */
export async function requestFile(method, url, body) {
  const headers = { "Content-Type": "application/json" };
  const { response, content: blob } = await send(url, { method, headers, body: JSON.stringify(body) }, LONG_TIMEOUT, (answer) => answer.blob());
  if (!response.ok) throw errorOf(response, parseJson(await blob.text()));
  const name = /filename\*=UTF-8''([^;]+)/i.exec(response.headers.get("Content-Disposition") ?? "");
  return { blob, filename: name ? decodeURIComponent(name[1]) : "" };
}

/** Request a file again whose download failed: resolves to why it is refused, "" if it is served now. */
export async function refusalOf(url, body = null) {
  const read = (response) => (response.ok ? response.body.cancel() : response.text());
  const { response, content } = await send(url, { method: body ? "POST" : "GET", body }, LONG_TIMEOUT, read);
  return response.ok ? "" : parseJson(content)?.error || UNREADABLE;
}

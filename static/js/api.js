// The one place that calls fetch. Every failure becomes a Failure whose message is a sentence for people.

import { _ } from "./words.js";

const UNREACHABLE = _("连不上服务，请确认程序还在运行");
const UNREADABLE = _("服务的回答看不懂，请刷新页面再试");

export class Failure extends Error {
  constructor(message, { status = 0, field = "", problems = [] } = {}) {
    super(message);
    this.status = status;
    this.field = field;
    this.problems = problems;
  }
}

/** A JSON call: body may be an object (sent as JSON) or FormData. Returns the answer's object. */
export async function call(method, url, body) {
  const form = body instanceof FormData;
  const headers = { Accept: "application/json" };
  if (body && !form) headers["Content-Type"] = "application/json";
  const response = await send(url, { method, headers, body: form || !body ? body : JSON.stringify(body) });
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  throw new Failure(answer?.error || UNREADABLE, { status: response.status, ...answer });
}

/** The same for an answer that is a file: {blob, filename}. */
export async function callForFile(method, url, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await send(url, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) {
    const answer = await response.json().catch(() => null);
    throw new Failure(answer?.error || UNREADABLE, { status: response.status });
  }
  const name = /filename\*=UTF-8''([^;]+)/i.exec(response.headers.get("Content-Disposition") ?? "");
  return { blob: await response.blob(), filename: name ? decodeURIComponent(name[1]) : "" };
}

/** A file whose download failed is asked for once more: why it is refused, or "" when it would come now. */
export async function refusal(url, body) {
  const stop = new AbortController();
  const response = await send(url, { method: "POST", body, signal: stop.signal });
  if (!response.ok) return (await response.json().catch(() => null))?.error || UNREADABLE;
  stop.abort();
  return "";
}

/** Send one picture, told how far it has come (0..1). Returns the answer's object, or null when `signal` stopped it.
 *
 * One too large is not sent at all.
 */
export function upload(url, file, progress, signal) {
  const limit = Number(document.body.dataset.uploadLimit);
  if (file.size > limit) return Promise.reject(new Failure(tooLarge(file.size, limit), { status: 413 }));
  const body = new FormData();
  body.append("file", file, file.name || _("图片"));
  const request = new XMLHttpRequest();
  request.open("POST", url);
  request.responseType = "json";
  signal.addEventListener("abort", () => request.abort());
  request.upload.addEventListener("progress", (event) => event.total && progress(event.loaded / event.total));
  return new Promise((resolve, reject) => {
    const fail = (sentence) => reject(new Failure(sentence, { status: request.status, ...request.response }));
    request.addEventListener("error", () => fail(UNREACHABLE));
    request.addEventListener("abort", () => resolve(null));
    request.addEventListener("load", () => {
      if (request.status < 300 && request.response) resolve(request.response);
      else fail(request.response?.error || UNREADABLE);
    });
    request.send(body);
  });
}

function tooLarge(size, limit) {
  const [has, most] = [size, limit].map((bytes) => Math.round(bytes / 2 ** 20));
  return _("有 {has} MB，每张图片最多 {most} MB，请压缩后再上传", { has, most });
}

/** What changed at a JSON address since the last look: the object, or null when nothing did. */
export async function look(url, memory) {
  const response = await ask(url, memory, "application/json");
  return response && response.json();
}

/** The same for a fragment of HTML: {html, version}, or null. `memory` is an object that you keep. */
export async function lookAtFragment(url, memory) {
  const response = await ask(url, memory, "text/html");
  return response && { html: await response.text(), version: response.headers.get("X-Version") };
}

async function ask(url, memory, type) {
  const headers = { Accept: type };
  if (memory.etag && memory.url === url) headers["If-None-Match"] = memory.etag;
  const response = await send(url, { headers, cache: "no-store" });
  if (response.status === 304) return null;
  if (!response.ok) {
    const answer = await response.json().catch(() => null);
    throw new Failure(answer?.error || UNREADABLE, { status: response.status });
  }
  memory.url = url;
  memory.etag = response.headers.get("ETag");
  return response;
}

async function send(url, options) {
  try {
    return await fetch(url, options);
  } catch {
    throw new Failure(UNREACHABLE);
  }
}

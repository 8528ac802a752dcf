// The one place that calls fetch. Every failure becomes a HttpError whose message is a sentence for people, and
// every call has a time limit.

import { _ } from "./i18n.js";

const READ = 30_000;
const WRITE = 120_000;
export const LONG_TIMEOUT = 600_000; // for files, and for what is done to all that a filter finds
export const UNREACHABLE = _("连不上服务，请确认程序还在运行");
const UNREADABLE = _("服务的答复无法识别，请刷新页面再试");
export const TOO_SLOW = _("服务太久没有回答，请再试一次");

/** `status` is that of the answer; 0 when none came. */
export class HttpError extends Error {
  constructor(message, { status = 0, field = "", problems = [] } = {}) {
    super(message);
    this.status = status;
    this.field = field;
    this.problems = problems;
  }
}

/** What to say of an error. One that is no HttpError is a defect of the page: it goes to the console, too. */
export function messageOf(error) {
  if (error instanceof HttpError) return error.message;
  console.error(error);
  return _("这一页显示出错了，生成不受影响，请刷新页面");
}

/** A JSON call: body may be an object (sent as JSON) or FormData. Returns the answer's object. */
export async function requestJson(method, url, body, limit = 0) {
  const form = body instanceof FormData;
  const headers = { Accept: "application/json" };
  if (body && !form) headers["Content-Type"] = "application/json";
  const usual = form || body?.filter ? LONG_TIMEOUT : method === "GET" ? READ : WRITE;
  const { response, content } = await send(url, { method, headers, body: form || !body ? body : JSON.stringify(body) }, limit || usual);
  const answer = parsed(content);
  if (response.ok && answer) return answer;
  throw errorOf(response, answer);
}

/** The same for an answer that is a file: {blob, filename}. */
export async function requestFile(method, url, body) {
  const headers = { "Content-Type": "application/json" };
  const { response, content: blob } = await send(url, { method, headers, body: JSON.stringify(body) }, LONG_TIMEOUT, (answer) => answer.blob());
  if (!response.ok) throw errorOf(response, parsed(await blob.text()));
  const name = /filename\*=UTF-8''([^;]+)/i.exec(response.headers.get("Content-Disposition") ?? "");
  return { blob, filename: name ? decodeURIComponent(name[1]) : "" };
}

/** A file whose download failed is asked for once more: why it is refused, or "" when it would come now. */
export async function refusalOf(url, body) {
  const read = (response) => (response.ok ? response.body.cancel() : response.text());
  const { response, content } = await send(url, { method: "POST", body }, LONG_TIMEOUT, read);
  return response.ok ? "" : parsed(content)?.error || UNREADABLE;
}

/** What changed at a JSON address since the last look: the object, or null when nothing did. */
export async function fetchJsonIfChanged(url, memory) {
  const news = await ask(url, memory, "application/json");
  return news && JSON.parse(news.content);
}

/** The same for a fragment of HTML: {html, version}, or null. `memory` is an object that you keep. */
export async function fetchHtmlIfChanged(url, memory) {
  const news = await ask(url, memory, "text/html");
  return news && { html: news.content, version: news.response.headers.get("X-Version") };
}

async function ask(url, memory, type) {
  const headers = { Accept: type };
  if (memory.etag && memory.url === url) headers["If-None-Match"] = memory.etag;
  const { response, content } = await send(url, { headers, cache: "no-store" }, READ);
  if (response.status === 304) return null;
  if (!response.ok) throw errorOf(response, parsed(content));
  memory.url = url;
  memory.etag = response.headers.get("ETag");
  return { response, content };
}

function parsed(content) {
  try {
    return JSON.parse(content);
  } catch {
    return null;
  }
}

/** The error that an answer tells: its sentence, field and problems. */
export function errorOf({ status }, answer) {
  return new HttpError(answer?.error || UNREADABLE, { status, ...answer });
}

/** The answer and what `read` makes of it, both within `limit` milliseconds. */
async function send(url, options, limit, read = (response) => response.text()) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), limit);
  try {
    const response = await fetch(url, { ...options, signal: stop.signal });
    return { response, content: await read(response) };
  } catch {
    throw new HttpError(stop.signal.aborted ? TOO_SLOW : UNREACHABLE);
  } finally {
    clearTimeout(timer);
  }
}

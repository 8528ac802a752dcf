// Calls fetch, always with a time limit. Every failure becomes an HttpError whose message can be shown.

import { _ } from "./i18n.js";

const READ_TIMEOUT = 30_000; // milliseconds
const WRITE_TIMEOUT = 120_000;

export const LONG_TIMEOUT = 600_000; // for files, and for commands on all records of a filter
export const UNREACHABLE = _("连不上服务，请确认程序还在运行");
export const UNREADABLE = _("服务的答复无法识别，请刷新页面再试");
export const TOO_SLOW = _("服务太久没有回答，请再试一次");

/** `status` is that of the response, 0 without one; `records` have what was refused already; `login` the address of the login page where that is missing. */
export class HttpError extends Error {
  constructor(message, { status = 0, field = "", problems = [], records = [], login = "" } = {}) {
    super(message);
    this.status = status;
    this.field = field;
    this.problems = problems;
    this.records = records;
    this.login = login;
  }
}

/** The message to show for an error. Any but an HttpError is a defect of the page and is logged to the console. */
export function messageOf(error) {
  if (error instanceof HttpError) return error.message;
  console.error(error);
  return _("这一页显示出错了，生成不受影响，请刷新页面");
}

/** A JSON call; body is an object (sent as JSON), JSON as a Blob, or FormData. Resolves to the parsed response; `limit` in milliseconds. */
export async function requestJson(method, url, body, limit = 0) {
  const form = body instanceof FormData;
  const headers = { Accept: "application/json" };
  if (body && !form) headers["Content-Type"] = "application/json";
  const usual = form || body?.filter ? LONG_TIMEOUT : method === "GET" ? READ_TIMEOUT : WRITE_TIMEOUT;
  const isEncoded = form || !body || body instanceof Blob;
  const { response, content } = await send(url, { method, headers, body: isEncoded ? body : JSON.stringify(body) }, limit || usual);
  const answer = parseJson(content);
  if (response.ok && answer) return answer;
  throw errorOf(response, answer);
}

/** A JSON call of a page that is being left: it outlives the page, and nobody hears its answer. */
export function sendWhenLeaving(method, url, body) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  fetch(url, { method, headers, body, keepalive: true }).catch(() => {});
}

/** Resolves to the JSON of an address, null when it has not changed since the last call with the same `memory` object. */
export async function fetchJsonIfChanged(url, memory) {
  const changed = await conditionalGet(url, memory, "application/json");
  return changed && JSON.parse(changed.content);
}

/** The same for an HTML fragment: {html, version}, or null. */
export async function fetchHtmlIfChanged(url, memory) {
  const changed = await conditionalGet(url, memory, "text/html");
  return changed && { html: changed.content, version: changed.response.headers.get("X-Version") };
}

async function conditionalGet(url, memory, type) {
  const headers = { Accept: type, "X-Requested-With": "fetch" };
  if (memory.etag && memory.url === url) headers["If-None-Match"] = memory.etag;
  const { response, content } = await send(url, { headers, cache: "no-store" }, READ_TIMEOUT);
  if (response.status === 304) return null;
  if (!response.ok) throw errorOf(response, parseJson(content));
  memory.url = url;
  memory.etag = response.headers.get("ETag");
  return { response, content };
}

/** null for what is no JSON. */
export function parseJson(content) {
  try {
    return JSON.parse(content);
  } catch {
    return null;
  }
}

/** The error of a refused call: its sentence, field and problems. The page is told of an expired login. */
export function errorOf({ status }, answer) {
  if (answer?.login) document.dispatchEvent(new CustomEvent("login-expired", { detail: answer.login }));
  return new HttpError(answer?.error || UNREADABLE, { status, ...answer });
}

/** Fetch, and read the response, within `limit` milliseconds: {response, content}. */
export async function send(url, options, limit, read = (response) => response.text()) {
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

// What may fail, and what is said then.

/** Resolves to what work() resolves to, after a failure to what onFailure(sentence to show, error) returns. */
export async function attempt(work, onFailure) {
  try {
    return await work();
  } catch (error) {
    return onFailure(messageOf(error), error);
  }
}

// What a page loads when it is needed; a failed load is repeated at the next call.

import { parseHtml } from "./dom.js";
import { HttpError, fetchHtmlIfChanged, messageOf } from "./http.js";
import { _ } from "./i18n.js";

/** A script could not be loaded; `isOld`: the page is from before an update of the program. */
export class ScriptLoadError extends HttpError {
  constructor(message, isOld) {
    super(message);
    this.isOld = isOld;
  }
}

/** Resolves as `loading`, a promise; rejects with ScriptLoadError. The bundler puts it around what is imported later. */
export function load(loading) {
  return showWait(loading.catch(async () => { throw await loadError(); }));
}

/** Resolves as `waiting`, a promise or a value, until when the control that was pressed a moment ago shows the wait. */
export async function showWait(waiting) {
  const pressed = globalThis.navigator?.userActivation?.isActive ? document.activeElement?.closest("a, button") : null;
  if (!pressed || "busy" in pressed.dataset) return waiting;
  pressed.dataset.busy = "";
  try {
    return await waiting;
  } finally {
    delete pressed.dataset.busy;
  }
}

/** A function that resolves to what make() does, which is called once, and again after a failure. */
export function lazy(make) {
  let result = null;
  return () => (result ??= make().catch((error) => {
    result = null;
    throw error;
  }));
}

/** The dialog of this name; see loadPart(). */
export function loadDialog(name, url) {
  return loadPart(`[data-dialog="${name}"]`, url);
}

/** The element that a selector finds in the page, or after the fragment at `url` with its style sheet, if it has one. */
export async function loadPart(selector, url) {
  const known = () => document.querySelector(selector);
  if (known()) return known();
  const { html } = await load(fetchHtmlIfChanged(url, {}));
  if (known()) return known(); // asked for twice
  const parts = parseHtml(html);
  const isStyled = [...parts.querySelectorAll("link")].map((sheet) => new Promise((resolve) => {
    for (const event of ["load", "error"]) sheet.addEventListener(event, resolve);
  }));
  document.body.append(parts);
  await Promise.all(isStyled);
  return known();
}

async function loadError() {
  try {
    await fetchHtmlIfChanged(document.querySelector("[data-status]").dataset.url, {});
    return new ScriptLoadError(_("程序更新过，这一页是旧的，请刷新页面"), true);
  } catch (error) {
    return new ScriptLoadError(messageOf(error), false);
  }
}

// Parts of a page that are fetched when they are first needed.

import { parseHtml } from "../core/dom.js";
import { attempt, fetchHtmlIfChanged } from "../core/http.js";
import { showError } from "./toast.js";

/** The dialog of this name; see loadPart(). */
export function loadDialog(name, url) {
  return loadPart(`[data-dialog="${name}"]`, url);
}

/** The element that a selector finds in the page, or after the fragment at `url` with its style sheet, if it has one. */
export async function loadPart(selector, url) {
  const known = () => document.querySelector(selector);
  if (known()) return known();
  const { html } = await fetchHtmlIfChanged(url, {});
  if (known()) return known(); // asked for twice
  const parts = parseHtml(html);
  const isStyled = [...parts.querySelectorAll("link")].map((sheet) => new Promise((resolve) => {
    for (const event of ["load", "error"]) sheet.addEventListener(event, resolve);
  }));
  document.body.append(parts);
  await Promise.all(isStyled);
  return known();
}

/** Open what load() resolves to with `what`, or what that resolves to; the control that was pressed shows the wait. */
export async function openLate(load, what) {
  const opener = document.activeElement;
  const isMarked = opener.matches("button, a");
  if (isMarked) opener.dataset.busy = "";
  await attempt(async () => {
    const [opened, wanted] = await Promise.all([load(), what]);
    opened.open(wanted);
  }, showError);
  if (isMarked) delete opener.dataset.busy;
}

// Dialogs that are fetched when they are first opened.

import { parseHtml } from "../core/dom.js";
import { fetchHtmlIfChanged } from "../core/http.js";

/** The dialog of this name, which is at `url` with its style sheet, if it has one. */
export async function loadDialog(name, url) {
  const known = () => document.querySelector(`[data-dialog="${name}"]`);
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

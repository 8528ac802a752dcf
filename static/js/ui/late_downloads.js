// Links to files that take a while to be prepared; the script that says what becomes of them is loaded for the first one.

import { showError } from "./toast.js";
import { attempt } from "../core/http.js";
import { lazy } from "../core/lazy.js";

const LINKS = 'a[download][href*="/results.xlsx"]';
const load = lazy(() => import("./downloads.js"));

/** Such links under `page` are loaded in a hidden frame. */
export function bindDownloads(page) {
  page.addEventListener("click", (event) => {
    const link = event.target.closest?.(LINKS);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    attempt(async () => (await load()).downloadPrepared(link.href), showError);
  }, { capture: true });
}

// Links to files that take a while to be prepared.

const LINKS = 'a[download][href*="/results.xlsx"]';

/** Links to such files under `page` say what becomes of them. */
export function bindDownloads(page) {
  page.addEventListener("click", async (event) => {
    const link = event.target.closest?.(LINKS);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    (await import("./downloads.js")).follow(link.href);
  }, { capture: true });
}

// A file that takes a while to be prepared: what is pressed says so until the server begins to send it, which a cookie tells.

import { _ } from "../core/i18n.js";
import { showToast } from "./toast.js";

const LINKS = 'a[download][href*="/archive.zip"], a[download][href*="/results.xlsx"]';
const BETWEEN = 200; // ms
const LONGEST = 60_000; // ms: what was refused says nothing

export function bindDownloads(page) {
  page.addEventListener("click", ({ target }) => {
    const link = target.closest?.(LINKS);
    if (link) follow(link);
  }, { capture: true });
}

function follow(link) {
  const address = new URL(link.href);
  const token = Math.random().toString(36).slice(2, 12);
  address.searchParams.set("token", token);
  link.href = address.href;
  const until = performance.now() + LONGEST;
  let message = showToast(_("正在准备下载…"));
  const timer = setInterval(() => {
    const isSent = document.cookie.split("; ").includes(`download=${token}`);
    if (!isSent && performance.now() < until) {
      if (!message.isConnected) message = showToast(_("正在准备下载…"));
      return;
    }
    clearInterval(timer);
    message.remove();
  }, BETWEEN);
}

// A picture that does not come, as while OSS is away: its place stays and says so, and it is asked for again later.

import { _ } from "../core/i18n.js";

/** Watch the pictures in `holder` -> {tryAgain}. */
export function imageFallback(holder, { signal } = {}) {
  holder.addEventListener("error", ({ target }) => mark(target, true), { capture: true, signal });
  holder.addEventListener("load", ({ target }) => mark(target, false), { capture: true, signal });
  for (const image of holder.querySelectorAll("img")) {
    if (image.complete && !image.naturalWidth && image.currentSrc) mark(image, true);
  }
  return { tryAgain: () => holder.querySelectorAll("[data-broken] > img").forEach(askAgain) };
}

function mark(image, isBroken) {
  image.alt = isBroken ? _("加载失败") : "";
  if (isBroken) image.parentElement.dataset.broken = image.alt;
  else delete image.parentElement.dataset.broken;
}

// By another address, for the browser may remember the old one's way to a bucket that has changed since.
function askAgain(image) {
  const address = new URL(image.src, location.href);
  if (address.origin === location.origin) address.searchParams.set("again", Date.now());
  image.src = address.href;
}

// A thumbnail that does not come: 加载失败 in its place, with 重试. The record stays what it is.


export function removeMissingRecords(page) {
  page.addEventListener("error", ({ target }) => target.matches?.(".record-image") && show(target, true), { capture: true });
  page.addEventListener("load", ({ target }) => target.matches?.(".record-image") && show(target, false), { capture: true });
  page.addEventListener("click", (event) => {
    const button = event.target.closest("[data-again]");
    if (!button) return;
    const image = button.closest("[data-gone]").previousElementSibling.querySelector("img");
    const address = new URL(image.src);
    address.searchParams.set("again", Date.now());
    button.textContent = _("正在重试…");
    image.loading = "eager"; // a hidden one would never come
    image.src = address;
  });
  for (const image of page.querySelectorAll(".record-image")) {
    if (image.complete && !image.naturalWidth && image.currentSrc) show(image, true);
  }
}

function show(image, isGone) {
  const link = image.closest("a");
  const place = link.nextElementSibling;
  const hadFocus = place.contains(document.activeElement);
  link.hidden = isGone;
  place.hidden = !isGone;
  place.querySelector("[data-again]").textContent = _("重试");
  if (hadFocus && !isGone) link.focus();
}

// A picture that does not come, as while OSS is away: its place stays and says so, and it is asked for again later.

import { _ } from "./words.js";

/** Watch the pictures in `holder` -> {tryAgain}. */
export function brokenPictures(holder, { signal } = {}) {
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

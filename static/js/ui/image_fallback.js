// Images that fail to load, as while OSS is away: 加载失败 in their place, and another try later.

import { apply, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";

/** Watch the images in `holder`; show(image, isBroken) says so. Returns {tryAgain()}. */
export function imageFallback(holder, { signal, selector = "img", show = markParent } = {}) {
  const update = ({ target, type }) => target.matches?.(selector) && show(target, type === "error");
  holder.addEventListener("error", update, { capture: true, signal });
  holder.addEventListener("load", update, { capture: true, signal });
  for (const image of holder.querySelectorAll(selector)) {
    if (image.complete && !image.naturalWidth && image.currentSrc) show(image, true);
  }
  return { tryAgain: () => holder.querySelectorAll("[data-broken] > img").forEach(loadAgain) };
}

/** The same for the thumbnails of records, with a button 重试. */
export function removeMissingRecords(page) {
  imageFallback(page, { selector: ".record-image", show: showMissing });
  page.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-again]");
    if (!button) return;
    const image = button.closest("[data-gone]").previousElementSibling.querySelector("img");
    button.textContent = _("正在重试…");
    image.loading = "eager"; // a hidden one would never load
    loadAgain(image);
  });
}

function markParent(image, isBroken) {
  image.alt = isBroken ? _("加载失败") : "";
  apply(image.parentElement, { data: { broken: image.alt || null } });
}

function showMissing(image, isBroken) {
  const link = image.closest("a");
  const notice = link.nextElementSibling;
  const hadFocus = notice.contains(document.activeElement);
  link.hidden = isBroken;
  notice.hidden = !isBroken;
  show(notice, { "[data-again]": _("重试") });
  if (hadFocus && !isBroken) link.focus();
}

/** By another address: the browser may remember where the old one led to in a bucket that has changed since. */
function loadAgain(image) {
  const url = new URL(image.src, location.href);
  if (url.origin === location.origin) url.searchParams.set("again", Date.now());
  image.src = url.href;
}

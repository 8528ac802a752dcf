// A thumbnail that does not come: 加载失败 in its place, with 重试. The record stays what it is.

import { _ } from "../words.js";

export function gone(page) {
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

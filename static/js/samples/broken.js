// A thumbnail that does not come, as while OSS is away: its place stays, and says so instead of a torn picture.

import { _ } from "../words.js";

export function brokenPictures(holder) {
  holder.addEventListener("error", ({ target }) => target.matches?.(".sample-image") && show(target, true), { capture: true });
  holder.addEventListener("load", ({ target }) => target.matches?.(".sample-image") && show(target, false), { capture: true });
  for (const image of holder.querySelectorAll(".sample-image")) {
    if (image.complete && !image.naturalWidth && image.currentSrc) show(image, true);
  }
}

function show(image, isBroken) {
  const link = image.closest("a");
  image.alt = isBroken ? _("加载失败") : "";
  if (isBroken) link.dataset.broken = image.alt;
  else delete link.dataset.broken;
}

// The pictures of a round as tiles: number and label below each, and what was marked.

import { apply, copyOf, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";

const [NARROWEST, WIDEST] = [0.66, 1.5];

/** Where a picture is read; `size` small or large, `isEarlier`: the one that it follows. */
export function pictureUrl(url, n, size, isEarlier = false) {
  return `${url}/pictures/${n}?size=${size}${isEarlier ? "&earlier=1" : ""}`;
}

/** What a picture is called: its number and label. */
export const nameOf = ({ n, label }) => [_("第 {n} 张", { n }), label].filter(Boolean).join(" ");

/** The width of most pictures by their height, so that few have bars. */
export function commonRatio(pictures) {
  const ratios = pictures.map(({ width, height }) => width / height || 1).sort((one, other) => one - other);
  return Math.min(Math.max(ratios[ratios.length >> 1] ?? 1, NARROWEST), WIDEST);
}

export function createTile(template, url, picture) {
  const { n, label, earlier } = picture;
  const name = nameOf(picture);
  const tile = copyOf(template, {
    "": { data: { n } },
    "[data-open]": { ariaLabel: _("看大图：{name}", { name }) },
    "[data-image]": { src: pictureUrl(url, n, "small"), alt: name },
    "[data-n]": n,
    "[data-label]": label ?? "",
    "[data-mark=heart]": { ariaLabel: _("选{name}", { name }) },
    "[data-mark=reject]": { ariaLabel: _("不要{name}", { name }) },
    "[data-say]": { ariaLabel: _("给{name}写一句", { name }) },
  });
  const before = tile.querySelector("[data-earlier-image]");
  if (earlier) apply(before, { src: pictureUrl(url, n, "small", true), alt: _("上一版") });
  else before.remove();
  return tile;
}

const shown = new WeakMap(); // tile -> what it shows

/** state: {mark, comment, isLocked, error, hidden}. */
export function showTile(tile, state) {
  const signature = JSON.stringify(state);
  if (shown.get(tile) === signature) return;
  shown.set(tile, signature);
  const { mark, comment, isLocked, error, hidden } = state;
  apply(tile, { hidden, classes: { "is-heart": mark === "heart", "is-reject": mark === "reject" } });
  show(tile, {
    "[data-mark=heart]": { ariaPressed: String(mark === "heart"), disabled: isLocked },
    "[data-mark=reject]": { ariaPressed: String(mark === "reject"), disabled: isLocked },
    "[data-say]": { ariaPressed: String(comment !== ""), disabled: isLocked && comment === "" },
    "[data-said]": comment,
    "[data-error]": error,
  });
}

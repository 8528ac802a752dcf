// The elements of 看图: the pictures of a row that stand on one line, under a bracket with the row's number and name. Their markup
// is in templates/batch/gallery.html.

import { ownColumnsOf } from "./own_columns.js";
import { apply, copyOf, show } from "../core/dom.js";
import { _, formatPrice } from "../core/i18n.js";

const STATES = {
  running: [_("生成中"), "is-accent"], queued: [_("等待中"), ""], held: [_("等你看过"), ""], unknown: [_("结果未知"), "is-warn"],
  failed: [_("失败"), "is-bad"], success: [_("图片文件不见了"), "is-bad"], none: [_("还没做"), ""],
};
const PICKS = { keep: [_("已留下"), "icon-check"], reject: [_("已淘汰"), "icon-close"] };

/** The name of a row: its file name, as it is sent, else the first of its own columns that has a text. */
export function nameOf(row, { sent = {} }) {
  return sent.filename || row.filename || Object.values(ownColumnsOf(row)).find(Boolean) || "";
}

/** What a press on the row's button orders, with its price. */
export function orderWords({ state, price }) {
  const sum = formatPrice(price);
  return state === "failed" || state === "refused" ? _("重试 {sum}", { sum }) : _("做 {sum}", { sum });
}

/** What one line shows of a row: the element stays the same while this does. */
export function signatureOf({ row, shown, shots, isStart, earlier, isOpen, hasWords }) {
  const seen = shots.map(({ key, picture, label, missing }) => [key, picture?.status, picture?.url, picture?.error, label, missing]);
  return JSON.stringify([row.number, nameOf(row, shown), hasWords && row.prompt, shown.same_as, shown.state, shown.price, isStart, earlier, isOpen, seen]);
}

/** `holder` has the templates. */
export function createPart(holder, { row, shown, shots, isStart, earlier, isOpen, hasWords }) {
  const element = copyOf(holder.querySelector("[data-part-template]"), {
    "": { ariaLabel: _("第 {number} 行", { number: row.number }), data: { galleryRow: row.number } },
    "[data-part-number]": row.number,
    "[data-part-name]": isStart ? nameOf(row, shown) : "…",
    "[data-part-same]": isStart && shown.same_as ? _("同第 {row} 行", { row: shown.same_as }) : "",
    "[data-part-earlier]": { textContent: isOpen ? _("收起早先的") : _("早先 {n}", { n: earlier }), hidden: !isStart || earlier === 0 },
    "[data-part-words]": { textContent: isStart ? row.prompt : "", hidden: !hasWords },
  });
  element.querySelector("[data-part-shots]").append(...shots.map((shot) => createShot(holder, shot, shown)));
  return element;
}

function createShot(holder, shot, shown) {
  const { key, label, picture } = shot;
  const [template, parts] = picture?.url ? ["[data-picture-template]", pictureParts(shot)] : ["[data-place-template]", placeParts(shot, shown)];
  return copyOf(holder.querySelector(template), {
    "": { data: { shotKey: key, status: picture?.status ?? "none", recordId: picture?.record_id ?? null } },
    "[data-shot-label]": label, ...parts,
  });
}

function pictureParts({ row, number, picture: { url, thumbnail_url: thumbnail } }) {
  return {
    a: { href: url, ariaLabel: _("第 {row} 行第 {n} 张：{prompt}", { row: row.number, n: number, prompt: row.prompt.slice(0, 60) }) },
    img: { sizes: "200px", srcset: `${thumbnail} 320w, ${thumbnail}?side=800 800w`, src: thumbnail },
  };
}

/** Why there is no picture, and what can be done. */
function placeParts({ row, picture, missing, isFirst }, shown) {
  const status = picture?.status ?? "none";
  const [word, tone] = STATES[status];
  const canOrder = isFirst && shown.missing > 0;
  const isRefused = shown.state === "refused"; // the same words would be refused again
  return {
    "[data-shot]": { ariaLabel: _("第 {number} 行", { number: row.number }) + _("：") + word },
    "[data-place-state]": { textContent: missing > 1 ? `${word} ×${missing}` : word, className: tone },
    "[data-place-reason]": picture?.error ?? (status === "unknown" ? _("可能已计费") : ""),
    "[data-place-usage]": { hidden: status !== "unknown" },
    "[data-place-change]": { hidden: !canOrder || !isRefused },
    "[data-place-order]": { hidden: !canOrder || isRefused, textContent: orderWords(shown) },
  };
}

const marked = new WeakMap(); // element -> its marks

/** Show what changes without another picture: where it stands, the choice, the selection, the focus. */
export function markShot(element, marks) {
  const { pick, isSelected, isCurrent, error, width, height } = marks;
  const before = marked.get(element);
  if (before && Object.keys(marks).every((name) => marks[name] === before[name])) return;
  marked.set(element, marks);
  const [word, icon] = PICKS[pick] ?? ["", ""];
  Object.assign(element.style, { width: `${width}px`, height: `${height}px` });
  apply(element, { classes: { "is-selected": isSelected }, data: { pick } });
  show(element, {
    img: { sizes: `${Math.ceil(width)}px` },
    "[data-shot-mark]": { textContent: word, className: `shot-mark ${icon}` },
    "[data-shot-error]": error,
    "[data-shot]": { tabIndex: isCurrent ? 0 : -1 },
  });
}

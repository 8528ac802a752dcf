// The elements of 看图: the pictures of a row that stand on one line, under a bracket with the row's number and name. Their markup
// is in templates/batch/gallery.html. Of a table with a recipe the name of a product stands before them, and each row is one of its roles.

import { ownColumnsOf } from "./own_columns.js";
import { sharedWith } from "./states.js";
import { apply, copyOf, show } from "../core/dom.js";
import { _, formatPrice } from "../core/i18n.js";
import { signOf } from "../rounds/said.js";

const STATES = {
  running: [_("生成中"), "is-accent"], queued: [_("等待中"), ""], held: [_("等你看过"), ""], unknown: [_("结果未知"), "is-warn"],
  failed: [_("失败"), "is-bad"], cancelled: [_("付过，没有图"), "is-warn"], success: [_("图片文件不见了"), "is-bad"], none: [_("还没做"), ""],
  problem: [_("要改"), "is-bad"], trashed: [_("在回收站"), ""], to_make: [_("还没做"), ""],
};
const [RECIPE_COLUMNS, VARIANT_COLUMN] = [/^(角色|变体|原提示词)$/, /^变体$/]; // as app/domain/recipes.py has them
const PICTURE_FILE = /\.(png|jpe?g|webp|bmp|gif)\s*$/i;
const PICKS = { keep: [_("已留下"), "icon-check"], reject: [_("已淘汰"), "icon-close"] };

/** The name of a row: its file name, as it is sent, else the first of its own columns that has a text. */
export function nameOf(row, { sent = {} }) {
  return sent.filename || row.filename || Object.values(ownColumnsOf(row)).find(Boolean) || "";
}

// What tells the product of a row from others, and what it is called: the first of its own columns with a text.
function productOf(row) {
  const own = Object.entries(ownColumnsOf(row)).filter(([name, text]) => text && !RECIPE_COLUMNS.test(name) && !PICTURE_FILE.test(text));
  return own.slice(0, 2).map(([, text]) => text);
}

/** The role of a row with its variant. */
export function roleOf(row, { role }) {
  const variant = Object.entries(ownColumnsOf(row)).find(([name]) => VARIANT_COLUMN.test(name))?.[1];
  return role && [role, variant].filter(Boolean).join(" · ");
}

/** What the row of a shot is called. */
export function titleOf({ row, role }) {
  return role ? [...productOf(row), role].join(" · ") : _("第 {number} 行", { number: row.number });
}

/** What a press on the row's button orders, with its price. */
export function orderWords({ state, price, missing }) {
  if (state === "paid") return _("再做一张");
  const sum = formatPrice(price);
  return state === "failed" || state === "refused" ? _("重试 {sum}", { sum }) : missing > 1 ? _("做 {n} 张 · {sum}", { n: missing, sum }) : _("做这张 · {sum}", { sum });
}

/** What one line shows of a row: the element stays the same while this does. */
export function signatureOf({ row, role, shown, shots, isStart, earlier, isOpen, hasWords }) {
  const seen = shots.map(({ key, picture, label, missing }) => [key, picture?.status, picture?.url, picture?.error, picture?.client, label, missing]);
  return JSON.stringify([row.number, role || nameOf(row, shown), hasWords && row.prompt, sharedWith(shown), shown.state, shown.price, shown.is_gone, isStart, earlier, isOpen, seen]);
}

/** `holder` has the templates. */
export function createPart(holder, { row, role, shown, shots, isStart, earlier, isOpen, hasWords }) {
  const element = copyOf(holder.querySelector("[data-part-template]"), {
    "": { ariaLabel: titleOf({ row, role }), data: { galleryRow: row.number } },
    "[data-part-number]": role || row.number,
    "[data-part-name]": !isStart ? "…" : role ? (shown.is_gone ? _("配方里没有了") : "") : nameOf(row, shown),
    "[data-part-same]": isStart && sharedWith(shown) ? _("同第 {row} 行", { row: sharedWith(shown) }) : "",
    "[data-part-earlier]": { textContent: isOpen ? _("收起早先的") : _("早先 {n}", { n: earlier }), hidden: !isStart || earlier === 0 },
    "[data-part-words]": { textContent: isStart ? row.prompt : "", hidden: !hasWords },
  });
  element.querySelector("[data-part-shots]").append(...shots.map((shot) => createShot(holder, shot, shown)));
  return element;
}

/** What is shown of a product. */
export function signatureOfSet({ product, row, roles, kept }) {
  return JSON.stringify(["set", product, productOf(row), roles, kept]);
}

export function createSet(holder, { product, row, roles, kept }) {
  const [key = _("第 {number} 行", { number: product }), name = ""] = productOf(row);
  return copyOf(holder.querySelector("[data-set-template]"), {
    "[data-set-key]": key,
    "[data-set-name]": { textContent: name, title: name },
    "[data-set-count]": { textContent: `${kept}/${roles}`, title: _("留下了 {kept} / {n} 个角色", { kept, n: roles }), classes: { "is-complete": kept === roles } },
  });
}

function createShot(holder, shot, shown) {
  const { key, label, picture } = shot;
  const [template, parts] = picture?.url ? ["[data-picture-template]", pictureParts(shot)] : ["[data-place-template]", placeParts(shot, shown)];
  return copyOf(holder.querySelector(template), {
    "": { data: { shotKey: key, status: picture?.status ?? "none", recordId: picture?.record_id ?? null } },
    "[data-shot-label]": label, ...parts,
  });
}

function pictureParts({ row, role, number, picture: { url, thumbnail_url: thumbnail, client } }) {
  const words = { row: row.number, n: number, prompt: row.prompt.slice(0, 60), title: titleOf({ row, role }) };
  return {
    a: { href: url, ariaLabel: role ? _("{title} 第 {n} 张：{prompt}", words) : _("第 {row} 行第 {n} 张：{prompt}", words) },
    img: { sizes: "200px", srcset: `${thumbnail} 320w, ${thumbnail}?side=800 800w`, src: thumbnail },
    "[data-shot-said]": signOf(client),
  };
}

/** Why there is no picture, and what can be done. */
function placeParts({ row, role, picture, missing, isFirst }, shown) {
  const status = picture?.status ?? "none";
  const [word, tone] = STATES[status === "none" && shown.state in STATES ? shown.state : status];
  const canOrder = isFirst && (shown.missing > 0 || shown.state === "paid");
  const isRefused = shown.state === "refused"; // the same words would be refused again
  return {
    "[data-shot]": { ariaLabel: titleOf({ row, role }) + _("：") + word },
    "[data-place-state]": { textContent: missing > 1 ? `${word} ×${missing}` : word, className: tone },
    "[data-place-reason]": picture?.error ?? (status === "unknown" ? _("可能已计费") : reasonOf(shown)),
    "[data-place-usage]": { hidden: status !== "unknown" },
    "[data-place-change]": { hidden: !canOrder || !isRefused },
    "[data-place-order]": { hidden: !canOrder || isRefused, textContent: orderWords(shown) },
  };
}

// Why nothing can be ordered of a role without a picture.
function reasonOf(shown) {
  const [sameAs, { state, problems = [], missing }] = [sharedWith(shown), shown];
  if (state === "problem") return problems[0]?.error ?? "";
  return sameAs && missing === 0 ? _("同第 {row} 行", { row: sameAs }) : "";
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

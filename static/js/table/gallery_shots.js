// The elements of 看图: the pictures of a row that stand on one line, under a bracket with the row's number and name.

import { _, formatPrice } from "../core/i18n.js";
import { ownColumnsOf } from "./own_columns.js";

const STATES = {
  running: [_("生成中"), "is-accent"], queued: [_("等待中"), ""], held: [_("等你看过"), ""], unknown: [_("结果未知"), "is-warn"],
  failed: [_("失败"), "is-bad"], success: [_("图片文件不见了"), "is-bad"], none: [_("还没做"), ""],
};
const PICKS = { keep: [_("已留下"), "icon-check"], reject: [_("已淘汰"), "icon-close"] };
const SMALL = 320; // px of the smaller thumbnail

/** The name of a row: its file name, else the first of its own columns that has a text. */
export function nameOf(row) {
  return row.filename || Object.values(ownColumnsOf(row)).find(Boolean) || "";
}

/** What one line shows of a row, as an element; it stays the same while signatureOf() does. */
export function createPart({ row, shown, shots, isStart, earlier, isOpen, hasWords }, urls) {
  const element = make("li", "shots");
  const head = element.appendChild(make("p", "shots-head"));
  head.append(make("b", "", String(row.number)), make("span", "truncate", isStart ? nameOf(row) : "…"));
  head.lastChild.dir = "auto";
  if (isStart && shown.same_as) head.append(make("span", "hint", _("同第 {row} 行", { row: shown.same_as })));
  if (isStart && earlier > 0) {
    const button = make("button", "button is-link", isOpen ? _("收起早先的") : _("早先 {n}", { n: earlier }));
    Object.assign(button, { type: "button", tabIndex: -1 });
    button.dataset.earlier = row.number;
    head.append(button);
  }
  const list = element.appendChild(make("div", "shots-list"));
  list.append(...shots.map((shot) => createShot(shot, shown, urls)));
  if (hasWords) element.append(Object.assign(make("p", "shots-words", isStart ? row.prompt : ""), { dir: "auto" }));
  element.ariaLabel = _("第 {number} 行", { number: row.number });
  element.dataset.galleryRow = row.number;
  return element;
}

export function signatureOf({ row, shown, shots, isStart, earlier, isOpen, hasWords }) {
  const seen = shots.map(({ key, picture, label, missing }) => [key, picture?.status, picture?.url, picture?.error, label, missing]);
  return JSON.stringify([row.number, nameOf(row), hasWords && row.prompt, shown.same_as, shown.price, isStart, earlier, isOpen, seen]);
}

function createShot(shot, shown, urls) {
  const { key, picture } = shot;
  const element = make("div", "shot");
  Object.assign(element.dataset, { shotKey: key, status: picture?.status ?? "none" });
  if (picture) element.dataset.recordId = picture.record_id;
  element.append(picture?.url ? createLink(shot) : createPlace(shot, shown, urls));
  if (shot.label) element.append(make("span", "shot-label", shot.label));
  element.append(make("span", "shot-mark"), make("p", "shot-error"));
  return element;
}

function createLink({ row, number, picture }) {
  const link = Object.assign(make("a", "shot-place"), { href: picture.url, tabIndex: -1 });
  link.dataset.shot = "";
  link.ariaLabel = _("第 {row} 行第 {n} 张：{prompt}", { row: row.number, n: number, prompt: row.prompt.slice(0, 60) });
  const image = Object.assign(make("img", ""), { alt: "", loading: "lazy", decoding: "async", draggable: false });
  image.sizes = "200px";
  image.srcset = `${picture.thumbnail_url} ${SMALL}w, ${picture.thumbnail_url}?side=800 800w`;
  image.src = picture.thumbnail_url;
  link.append(image);
  return link;
}

/** A picture that is not there: why, and what to do. */
function createPlace({ row, picture, missing }, shown, urls) {
  const place = Object.assign(make("div", "shot-place is-empty"), { tabIndex: -1, role: "group" });
  place.dataset.shot = "";
  const status = picture?.status ?? "none";
  const [word, kind] = STATES[status];
  place.append(make("b", kind, missing > 1 ? `${word} ×${missing}` : word));
  place.ariaLabel = _("第 {number} 行", { number: row.number }) + _("：") + word;
  const reason = picture?.error ?? (status === "unknown" ? _("可能已计费") : "");
  if (reason) place.append(Object.assign(make("p", "shot-reason", reason), { title: reason }));
  if (status === "unknown") place.append(Object.assign(make("a", "button is-link", _("去「用量」处理")), { href: urls.usage, tabIndex: -1 }));
  if ((status === "failed" || !picture) && shown.missing > 0) {
    const button = Object.assign(make("button", "button is-small", orderWords(shown)), { type: "button", tabIndex: -1 });
    button.dataset.orderRow = "";
    place.append(button);
  }
  return place;
}

/** What a press on the row's button orders, with its price. */
export function orderWords({ state, price }) {
  const sum = formatPrice(price);
  return state === "failed" || state === "refused" ? _("重试 {sum}", { sum }) : _("做 {sum}", { sum });
}

/** Show what changes without another picture: where it stands, the choice, the selection, the focus. */
export function markShot(element, { pick, isSelected, isCurrent, error, width, height }) {
  element.style.width = `${width}px`;
  element.style.height = `${height}px`;
  if (pick) element.dataset.pick = pick;
  else delete element.dataset.pick;
  element.classList.toggle("is-selected", isSelected);
  const [word, icon] = PICKS[pick] ?? ["", ""];
  Object.assign(element.querySelector(".shot-mark"), { textContent: word, className: `shot-mark ${icon}` });
  element.querySelector(".shot-error").textContent = error;
  element.querySelector("[data-shot]").tabIndex = isCurrent ? 0 : -1;
  const image = element.querySelector("img");
  const sizes = `${Math.ceil(width)}px`;
  if (image && image.sizes !== sizes) image.sizes = sizes;
}

function make(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

// What a row's state says in its cell, and what can be done about it. The states are the server's (app/tables/states.py).

import { _ } from "../core/i18n.js";

export const FAILED = ["failed", "refused"];
const TONES = { queued: "", running: "busy", failed: "bad", refused: "bad", unknown: "warn", paid: "warn", made: "good" };
const ACTIONS = { to_make: _("生成"), trashed: _("生成"), failed: _("重试"), refused: _("重试"), paid: _("再做一张") };

/** The pictures that a row shows now, not those of what it asked for earlier; made ones only. */
export function madePictures({ pictures }) {
  return pictures.filter(({ status, url, earlier }) => status === "success" && url && !earlier);
}

/** The number of the equal row whose pictures a row shows, or will; null where it has its own, too. */
export function sharedWith({ same_as: sameAs, pictures = [] }) {
  const isOwn = ({ status, shared, earlier }) => !shared && !earlier && status !== "failed" && status !== "cancelled";
  return pictures.some(isOwn) ? null : sameAs ?? null;
}

/**
 * shown: see shownOf() of store.js; wanted: pictures that the row asks for; urls: {usage}. As cells.js renders it: {status, label, tone,
 * title, pictures: [{id, url, thumbnail, alt, said: heart, reject or words of a client}], action: label of its button or "", href, sameAs: number of the row it leads to, isGone}.
 */
export function stateOf(shown, { wanted, prompt, urls }) {
  const { state } = shown;
  const made = madePictures(shown);
  return {
    status: state, tone: TONES[state] ?? "", title: titleOf(shown), action: ACTIONS[state] ?? "", label: "", isGone: shown.is_gone,
    ...wordsOf(shown, made.length, wanted, urls),
    pictures: made.map(({ record_id: id, url, thumbnail_url: thumbnail, client }) => ({ id, url, thumbnail, alt: prompt, said: client && (client.mark ?? "words") })),
  };
}

function wordsOf(shown, made, wanted, urls) {
  const { state, missing } = shown;
  const sameAs = sharedWith(shown);
  const share = wanted > 1 ? `${made}/${wanted} ` : "";
  if (state === "queued") return { label: share + _("等待中") };
  if (state === "running") return { label: share + _("生成中") };
  if (state === "held") return { label: _("等你看过") };
  if (state === "unknown") return { label: _("结果未知，可能已计费"), href: urls.usage };
  if (state === "paid") return { label: share + _("付过，没有图：再做一张？") };
  if (FAILED.includes(state)) return { label: share + (errorOf(shown) || _("失败")) };
  if (state === "problem") return { label: shown.problems.length > 0 ? _("要改") : "" };
  if (sameAs && made === 0 && missing === 0 && state === "to_make") return { label: _("同第 {number} 行", { number: sameAs }), sameAs, action: "" };
  if (state === "trashed") return { label: _("在回收站") };
  if (state === "made") return { label: isLost(shown) ? _("图片文件不见了") : madeLabel(shown, made) };
  if (made > 0) return { label: _("已有 {made} / {wanted}", { made, wanted }) };
  return { label: shown.is_gone ? _("新的一份里没有") : "" };
}

function madeLabel(shown, made) {
  const sameAs = sharedWith(shown);
  if (sameAs) return _("✓ 同第 {number} 行", { number: sameAs });
  if (shown.pictures.every(({ shared }) => shared)) return _("✓ 已有");
  return made > 1 ? `✓ ${made}` : "✓";
}

const isLost = ({ pictures }) => pictures.some(({ status, url, earlier }) => status === "success" && !url && !earlier);

function errorOf({ pictures }) {
  return pictures.findLast(({ error, earlier }) => error && !earlier)?.error ?? "";
}

function titleOf(shown) {
  const { state, problems } = shown;
  if (FAILED.includes(state) || state === "paid") return errorOf(shown);
  if (state === "problem") return problems.map(({ error }) => error).join("\n");
  const sizes = madePictures(shown).filter(({ width }) => width).map(({ width, height }) => `${width}×${height}`);
  const charged = shown.pictures.filter((picture) => picture.charged && !picture.earlier).length;
  return [[...new Set(sizes)].join(_("，")), charged > 0 && _("另有 {n} 张失败，已计费", { n: charged })].filter(Boolean).join(_("，"));
}

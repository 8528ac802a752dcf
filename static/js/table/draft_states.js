// The state of a row of the draft: from the batch that it was submitted with last while it asks for the same, and from what
// the server has of equal rows.

import { pictureCount } from "./costs.js";
import { stateOfRecords } from "./row_states.js";
import { _ } from "../core/i18n.js";

/** The statuses of records that are still to be made. */
export const OPEN = ["held", "queued", "running"];
const NONE = { made: [], under_way: [], unknown: [], charged: [], trashed: [], missing: null, same_as: null };

/**
 * checked: see row_check.js, null while nothing is known; records: those of the row's last batch, which may be newer.
 * -> the same, with the pictures of both.
 */
export function mergeRecords(checked, records) {
  const before = checked ?? NONE;
  const { trashed } = before;
  const recorded = new Set(records.map(({ id }) => id));
  const merged = { ...before };
  const add = (standing, matches) => {
    const ids = records.filter((record) => matches(record) && !trashed.includes(record.id)).map(({ id }) => id);
    merged[standing] = [...ids, ...merged[standing].filter((id) => !recorded.has(id))].sort((one, other) => other - one);
  };
  add("made", ({ status }) => status === "success");
  add("under_way", ({ status }) => OPEN.includes(status));
  add("unknown", ({ status }) => status === "unknown");
  add("charged", ({ status, charged }) => charged && ["failed", "cancelled"].includes(status));
  if (merged.missing > 0) merged.missing = Math.max(0, merged.missing - (countBought(merged) - countBought(before)));
  return merged;
}

function countBought({ made, under_way: open, unknown, charged }) {
  return made.length + open.length + unknown.length + charged.length;
}

/** Whether every picture of a row is made or otherwise bought. */
export function isBought(merged) {
  return merged.missing === null ? countBought(merged) > 0 : merged.missing === 0 && countBought(merged) > 0;
}

/**
 * As cells.js renders it, null for a row of which nothing is known. urls: {usage, thumbnail(id), record(id)}.
 * A state with `href` is a link, one with `sameAs` leads to the row of this number.
 */
export function stateOfDraftRow(row, { checked, records, model, urls }) {
  const merged = mergeRecords(checked, records);
  const pictures = merged.made.map((id) => ({ id, url: urls.record(id), thumbnail: urls.thumbnail(id), alt: row.prompt }));
  const live = records.length > 0 ? stateOfRecords(records) : null;
  const isMade = checked?.missing === 0 && countBought(checked) === checked.made.length; // by another batch
  if (live && live.status !== "success" && !(isMade && live.canRetry)) return { ...live, pictures };
  const standing = standingOf(merged, pictureCount(row, model), urls);
  if (!standing) return null;
  return { tone: "", title: "", action: isBought(merged) ? "" : _("生成"), ...standing, pictures };
}

function standingOf({ made, under_way: open, unknown, charged, trashed, same_as: sameAs }, wanted, urls) {
  if (unknown.length > 0) return { status: "unknown", label: _("结果未知"), tone: "warn", title: _("可能已计费，点这里处理"), href: urls.usage };
  if (open.length > 0) return { status: "running", label: _("生成中"), tone: "busy" };
  if (made.length > 0) return { status: "success", label: madeLabel(made.length, wanted), title: charged.length > 0 ? _("另有 {n} 张失败，已计费", { n: charged.length }) : "" };
  if (charged.length > 0) return { status: "failed", label: _("失败，已计费"), tone: "bad" };
  if (sameAs !== null) return { status: "same", label: _("与第 {number} 行相同", { number: sameAs }), sameAs };
  if (trashed.length > 0) return { status: "trashed", label: _("在回收站") };
  return null;
}

function madeLabel(made, wanted) {
  if (made < wanted) return _("已有 {made} / {wanted}", { made, wanted });
  return made > 1 ? _("已有 {n} 张", { n: made }) : _("已有");
}

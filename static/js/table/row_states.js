// The records of a batch by row: which rows they make, and what state each row is in.

import { parseTime } from "./batch_name.js";
import { retryableOf } from "./costs.js";
import { model } from "./models.js";
import { makeRow } from "./row.js";
import { _, formatElapsed } from "../core/i18n.js";

const LABELS = { queued: _("等待中"), held: _("等放行"), running: _("生成中"), failed: _("失败"), unknown: _("结果未知，可能已计费"), cancelled: _("已取消") };
const TONES = { running: "busy", failed: "bad", unknown: "warn", success: "good" };
const WORST_FIRST = ["running", "queued", "unknown", "failed", "held", "cancelled"];

export class RowStates {
  #records = new Map(); // id -> record
  #byNumber = new Map(); // row number -> its records by picture number
  isPaused = false; // the batch, whose notice says why its rows wait

  /** Add records, or newer versions of them. */
  add(records) {
    for (const record of records) {
      const others = (this.#byNumber.get(record.row_number) ?? []).filter(({ id }) => id !== record.id);
      this.#byNumber.set(record.row_number, [...others, record].sort((one, other) => one.picture_number - other.picture_number));
      this.#records.set(record.id, record);
    }
  }

  /** Records were deleted. */
  remove(ids) {
    for (const id of ids) {
      const number = this.#records.get(id)?.row_number;
      const others = (this.#byNumber.get(number) ?? []).filter((record) => record.id !== id);
      if (others.length > 0) this.#byNumber.set(number, others);
      else this.#byNumber.delete(number);
      this.#records.delete(id);
    }
  }

  get records() { return [...this.#records.values()]; }
  get rowCount() { return this.#byNumber.size; }

  recordsOf(row) { return this.#byNumber.get(row.number) ?? []; }

  /** See stateOfRecords; null for a row without records. */
  stateOf(row) {
    const records = this.recordsOf(row);
    return records.length > 0 ? stateOfRecords(records, this.isPaused) : null;
  }

  /** The rows as they were typed, in their order, with the references that were sent. */
  makeRows() {
    const firsts = [...this.#byNumber.values()].map(([first]) => first).sort((one, other) => one.id - other.id);
    return firsts.map((first) => makeRow({ ...typedOf(first), number: first.row_number }));
  }

  /** The seed that the pictures of a row count on from, as text; empty while there is none. */
  seedOf(row) {
    const seeds = this.recordsOf(row).map(({ seed }) => seed);
    const isSequence = seeds.length > 0 && seeds.every((seed, index) => seed !== null && seed === seeds[0] + index);
    return isSequence ? String(seeds[0]) : "";
  }
}

/** A record's request as it was typed, with the references that were sent; `model` is empty for that of the page. */
export function typedOf(record) {
  const { sample_images: _named, ...texts } = record.templates ?? {};
  return { ...record, filename: record.requested_filename, model: record.model === model.id ? "" : record.model, ...texts };
}

/** The state of one row from all its records, as cells.js renders it: {status, label, tone, title, pictures, action: label of
    its button or "", canRetry}. */
export function stateOfRecords(records, isPaused = false) {
  const pictures = records.filter(({ status, url }) => status === "success" && url);
  const worst = WORST_FIRST.map((status) => records.find((record) => record.status === status)).find(Boolean);
  const status = worst?.status ?? "success";
  const share = records.length > 1 ? `${pictures.length}/${records.length} ` : "";
  const isOpen = records.some((record) => record.status === "running" || record.status === "queued");
  const canRetry = !isOpen && retryableOf(records).length > 0;
  const isLost = pictures.length < records.length;
  return {
    status,
    label: worst ? share + labelOf(worst, isPaused) : isLost ? share + _("图片文件不见了") : `${share}✓`,
    tone: TONES[status] ?? "",
    title: records.map(({ error }) => error).find(Boolean) ?? [...new Set(pictures.map(sizeOf))].join(_("，")),
    pictures: pictures.map(pictureOf),
    action: canRetry ? _("重试") : "",
    canRetry,
  };
}

function labelOf(record, isPaused) {
  const { status, error, cause, retry_after: wait } = record;
  if (status === "running") return _("生成中 {time}", { time: formatElapsed(secondsOf(record)) });
  if (status === "queued" && wait > 0 && !isPaused) return error ? _("等待重试：{error}", { error }) : _("等待重试");
  if (status === "failed") return error || LABELS.failed;
  if (status === "cancelled" && cause === "dropped") return _("已放弃");
  return LABELS[status];
}

// Seconds that a running record has taken so far.
function secondsOf({ started_at: started }) {
  return started ? Math.max(0, Math.round((Date.now() - parseTime(started)) / 1000)) : 0;
}

function sizeOf({ width, height }) {
  return width && height ? `${width}×${height}` : "";
}

function pictureOf({ id, url, thumbnail_url: thumbnail, prompt }) {
  return { id, url, thumbnail: thumbnail || url, alt: prompt };
}

/** That pictures were queued again, and that they wait where their batch is paused. */
export function requeuedMessage(count, { status }) {
  const word = _("{n} 张已重新排队", { n: count });
  return status === "paused" ? _("{word}，按「继续」后开始", { word }) : word;
}

/** That rows were left out because their pictures are bought. */
export function skippedMessage(n) {
  return _("{n} 行刚才已经做过或正在做，没有再下单", { n });
}

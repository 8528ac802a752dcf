// Records of a batch, kept by row: which rows they make, and what each row's state is in words.

import { _, formatClock, formatDay, formatElapsed } from "../core/i18n.js";
import { makeRow } from "../grid/rows.js";

const WORDS = { queued: _("等待中"), running: _("生成中"), failed: _("失败"), unknown: _("结果未知，可能已计费"), cancelled: _("已取消") };
const TONES = { running: "busy", failed: "bad", unknown: "warn", success: "good" };
const WORST_FIRST = ["running", "queued", "unknown", "failed", "cancelled"];

/** A book of records: add(records), rows(), stateOf(row), seedOf(row), all(), of(row). */
export function RowStates() {
  const records = new Map(); // id -> record
  const byRow = new Map(); // row number -> [records by picture number]

  function add(news) {
    for (const record of news) {
      const list = byRow.get(record.row_number) ?? [];
      const at = list.findIndex(({ id }) => id === record.id);
      if (at >= 0) list[at] = record;
      else list.push(record);
      list.sort((one, other) => one.picture_number - other.picture_number);
      byRow.set(record.row_number, list);
      records.set(record.id, record);
    }
  }

  /** The rows as they were asked for, in their order. */
  function rows() {
    const firsts = [...byRow.values()].map(([first]) => first).sort((one, other) => one.id - other.id);
    return firsts.map((first) => makeRow({ ...first, number: first.row_number, filename: first.requested_filename }));
  }

  const of = (row) => byRow.get(row.number) ?? [];

  /** The seed that the pictures of a row count on from, as text; empty while there is none. */
  function seedOf(row) {
    const seeds = of(row).map(({ seed }) => seed);
    const countOn = seeds.length > 0 && seeds.every((seed, index) => seed !== null && seed === seeds[0] + index);
    return countOn ? String(seeds[0]) : "";
  }

  return {
    add, rows, of, seedOf,
    all: () => [...records.values()],
    stateOf: (row) => (of(row).length > 0 ? stateOfRecords(of(row)) : null),
    count: () => byRow.size,
  };
}

/** What a batch is called: its name, or when it began. */
export function batchName({ name, created_at: at }) {
  const began = new Date(parseTime(at));
  return name || _("{day} {clock} 的批次", { day: formatDay(began), clock: formatClock(began) });
}

/** That pictures were queued anew, and that they wait where their batch is paused. */
export function requeuedMessage(word, { status }) {
  return status === "paused" ? _("{word}，按「继续」后开始", { word }) : word;
}

/** Seconds a running record has taken so far. */
function secondsOf({ started_at: started }) {
  return started ? Math.max(0, Math.round((Date.now() - parseTime(started)) / 1000)) : 0;
}

/** UTC as the API writes it -> milliseconds. */
export function parseTime(text) {
  return Date.parse(`${text.replace(" ", "T")}Z`);
}

// {status, word, tone, title, pictures, action} of one row from all its pictures' records.
export function stateOfRecords(records) {
  const kept = records.filter(({ status, url: path }) => status === "success" && path);
  const worst = WORST_FIRST.map((status) => records.find((record) => record.status === status)).find(Boolean);
  const status = worst?.status ?? "success";
  const share = records.length > 1 ? `${kept.length}/${records.length} ` : "";
  const whole = share ? `${share}✓` : sizeOf(records[0]);
  return {
    status,
    word: worst ? share + wordOf(worst) : whole,
    tone: TONES[status] ?? "",
    title: records.map(({ error }) => error).find(Boolean) ?? "",
    pictures: kept.map(pictureOf),
    action: actionOf(records),
  };
}

function wordOf(record) {
  const { status, error, cause, retry_after: wait } = record;
  if (status === "running") return _("生成中 {time}", { time: formatElapsed(secondsOf(record)) });
  if (status === "queued" && wait > 0) return error ? _("等待重试：{error}", { error }) : _("等待重试");
  if (status === "failed") return error || WORDS.failed;
  if (status === "cancelled" && cause === "dropped") return _("已放弃");
  return WORDS[status];
}

function sizeOf({ width, height, url: path }) {
  if (!path) return _("图片文件不见了");
  return width && height ? `${width}×${height}` : _("完成");
}

function pictureOf({ id, url, thumbnail_url: thumbnail, prompt, width, height }) {
  return { id, url, thumbnail: thumbnail || url, alt: prompt, width, height };
}

function actionOf(records) {
  if (records.some(({ status }) => status === "running" || status === "queued")) return "";
  return records.some(({ status }) => ["failed", "unknown", "cancelled"].includes(status)) ? _("重试") : "";
}

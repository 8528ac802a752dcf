// Rows of a run that failed are changed where they stand. The browser keeps what was changed until it was sent.

import { typedOf } from "./row_states.js";
import { digest } from "../core/digest.js";
import { _ } from "../core/i18n.js";
import { loadItem, saveItem } from "../core/storage.js";

const FIELDS = ["prompt", "negative_prompt", "aspect_ratio", "resolution", "sample_images"];
const STORED = "batch.repairs"; // batch id -> {row number: {field: {was: digest of what failed, value}}}, the latest last
const MAX_STORED = 20; // batches
const SAVE_DELAY = 300; // ms

/**
 * states: RowStates of the batch with this id. The cells of a row that failed hold what was sent for it: changed words are final.
 *
 * Returns {update(rows): for rows whose records changed, isOpen(row): whether it can be changed, canEdit(row, column), failedOf(row): its
 * failed records, changed: the rows that are, changesOf(rows): {record id: {field: value}}, revert(row), refresh(): values changed without a
 * step}. onChange() follows each change.
 */
export function makeRepairs(table, states, id, onChange) {
  const { rows } = table;
  const sent = new Map(); // row that can be changed -> {field: what failed}
  let changed = [];
  let timer = 0;
  const stored = loadItem(STORED)?.[id] ?? {};

  function failedOf(row) {
    const records = states.recordsOf(row);
    const isUnderWay = records.some(({ status }) => status === "queued" || status === "running");
    return isUnderWay ? [] : records.filter(({ status }) => status === "failed");
  }

  function update(updated) {
    const touched = updated.filter(takeOver);
    if (touched.length === 0) return;
    table.validation.invalidate(touched);
    refresh(touched);
  }

  // A row that failed shows what was sent, with what is kept of its changes; any other what was typed. Returns whether it changed.
  function takeOver(row) {
    const [failed] = failedOf(row);
    const [first] = states.recordsOf(row);
    if (!first) return false;
    const before = sent.get(row);
    const now = requestOf(failed ?? typedOf(first));
    if (before && failed && isEqual(before, now)) return false;
    if (before) {
      rows.forgetHistory();
      row.marks = {};
    }
    sent.delete(row);
    if (failed) sent.set(row, now);
    const shown = requestOf(row);
    Object.assign(row, now, failed && takeKept(row.number, now));
    return !isEqual(shown, requestOf(row)) || Boolean(before) !== Boolean(failed);
  }

  function takeKept(number, now) {
    const kept = Object.entries(stored[number] ?? {}).filter(([field, { was }]) => FIELDS.includes(field) && was === digestOf(now[field]));
    delete stored[number];
    return Object.fromEntries(kept.map(([field, { value }]) => [field, value]));
  }

  function refresh(touched) {
    for (const row of touched) if (sent.has(row)) row.marks = marksOf(row);
    changed = rows.all.filter((row) => sent.has(row) && fieldsOf(row).length > 0);
    timer ||= setTimeout(save, SAVE_DELAY);
    onChange();
  }

  const fieldsOf = (row) => FIELDS.filter((field) => !isEqual(row[field], sent.get(row)[field]));

  // What the server found wrong stays until the cell is changed.
  function marksOf(row) {
    const marks = fieldsOf(row).map((field) => {
      const before = sent.get(row)[field];
      const text = Array.isArray(before) ? before.map(({ filename }) => filename).join(_("；")) : before;
      return [field, { ...row.marks[field], value: row[field], error: errorOf(row, field), fixed: _("改过，还没有重试。原来是「{text}」", { text }) }];
    });
    const wrong = FIELDS.filter((field) => errorOf(row, field)).map((field) => [field, row.marks[field]]);
    return Object.fromEntries([...wrong, ...marks]);
  }

  function errorOf(row, field) {
    const mark = row.marks[field];
    return mark && isEqual(mark.value, row[field]) ? mark.error : "";
  }

  function changesOf(chosen) {
    return Object.fromEntries(chosen.filter((row) => changed.includes(row)).flatMap((row) => {
      const values = Object.fromEntries(fieldsOf(row).map((field) => [field, field === "sample_images" ? imagesOf(row).map(({ url, filename }) => ({ url, filename })) : row[field]]));
      return failedOf(row).map((record) => [record.id, values]);
    }));
  }

  function save() {
    timer = 0;
    const kept = changed.map((row) => [row.number, Object.fromEntries(fieldsOf(row).map((field) => [field, { was: digestOf(sent.get(row)[field]), value: row[field] }]))]);
    const { [id]: _before, ...others } = loadItem(STORED) ?? {};
    const all = [...Object.entries(others), ...(kept.length > 0 ? [[id, Object.fromEntries(kept)]] : [])];
    saveItem(STORED, Object.fromEntries(all.slice(-MAX_STORED)));
  }

  rows.watch(({ changed: touched }) => { if (touched.size > 0) refresh([...touched]); });
  addEventListener("pagehide", () => {
    table.editor.commit();
    if (timer) save();
  });
  return {
    update, failedOf, changesOf,
    refresh: () => refresh([...sent.keys()]),
    isOpen: (row) => sent.has(row),
    canEdit: (row, { field }) => sent.has(row) && FIELDS.includes(field),
    revert: (row) => rows.step(_("恢复原来的"), () => { for (const field of fieldsOf(row)) rows.set(row, field, sent.get(row)[field]); }),
    get changed() { return changed; },
  };
}

function requestOf(source) {
  return Object.fromEntries(FIELDS.map((field) => [field, field === "sample_images" ? imagesOf(source) : String(source[field] ?? "")]));
}

function imagesOf({ sample_images: images }) {
  return images ?? [];
}

function isEqual(one, other) {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

function digestOf(value) {
  return digest(JSON.stringify(value));
}

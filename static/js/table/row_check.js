// What the server has of the rows of the draft, and what is missing: asked soon after each change.

import { rowsToSubmit } from "./row.js";
import { requestJson } from "../core/http.js";
import { poll } from "../core/poll.js";

const DELAY = 800; // ms after the last change
const AFTER_ERROR = 5000;
const PORTION = 1000; // rows that are encoded at once
const SHARE = 10; // of the time, at most one part is spent on asking about pictures under way

// JSON in portions: thousands of rows at once would hold up the page.
async function encode({ rows, ...more }) {
  const encoder = new TextEncoder();
  const parts = [encoder.encode(`${JSON.stringify(more).slice(0, -1)}${Object.keys(more).length > 0 ? "," : ""}"rows":[`)];
  for (let start = 0; start < rows.length; start += PORTION) {
    const portion = JSON.stringify(rows.slice(start, start + PORTION)).slice(1, -1);
    parts.push(encoder.encode(start > 0 ? `,${portion}` : portion));
    await new Promise((resolve) => { setTimeout(resolve); });
  }
  return new Blob([...parts, "]}"]);
}

/**
 * Keep what is known of each row up to date. onChange() is called after each answer.
 *
 * Returns {of(row): its part of the last answer of POST /api/rows/check, or null; isStale(row): whether the row was changed since;
 * total: of that answer, or null; isTotalStale; ask(rows): the answer for these by row, may reject; now();
 * refresh(): ask soon}.
 */
export function makeRowCheck(table, { url, onChange }) {
  const answers = new WeakMap(); // row -> {…, change: the last one that it takes into account}
  const changed = new WeakMap(); // row -> its last change
  let change = 0; // counts changes of rows
  let total = null;
  let totalChange = 0;
  let isDirty = false;
  let isOpen = false; // whether pictures of the draft are under way
  let shownVersion = 0; // of the records
  let duration = 0; // ms that an answer takes
  let answeredAt = 0;

  async function load() {
    const rows = table.rows.all.filter(table.validation.isFilled);
    const body = rowsToSubmit(table, rows);
    const seen = change;
    isDirty = false;
    if (rows.length === 0) return void take(rows, { rows: [], total: null }, seen);
    try {
      const startedAt = Date.now();
      const answer = await requestJson("POST", url, await encode(body));
      duration = Date.now() - startedAt;
      answeredAt = Date.now();
      take(rows, answer, seen);
    } catch (error) {
      isDirty = true;
      throw error;
    }
  }

  function take(rows, answer, seen) {
    const byNumber = new Map(rows.map((row) => [row.number, row]));
    for (const part of answer.rows) {
      const row = byNumber.get(part.row);
      part.change = seen;
      if (row) answers.set(row, part);
    }
    total = answer.total;
    totalChange = seen;
    isOpen = answer.rows.some(({ under_way: open }) => open.length > 0);
    onChange();
  }

  const poller = poll(load, {
    interval: (hasFailed) => (hasFailed ? AFTER_ERROR : isDirty ? DELAY : null),
    isPaused: () => document.hidden || table.readOnly,
  });

  function touch() {
    isDirty = true;
    poller.later();
  }

  /** What the server says of these rows now, by row. */
  async function ask(rows) {
    const seen = change;
    const answer = await requestJson("POST", url, rowsToSubmit(table, rows));
    const byNumber = new Map(answer.rows.map((part) => [part.row, part]));
    const isWhole = rows.length === table.rows.all.filter(table.validation.isFilled).length;
    if (isWhole && seen >= totalChange) take(rows, answer, seen);
    return new Map(rows.map((row) => [row, byNumber.get(row.number)]));
  }

  table.rows.watch((event) => {
    change += 1;
    for (const row of event.changed) changed.set(row, change);
    touch();
  });
  document.addEventListener("status", ({ detail: { version } }) => {
    const isTooSoon = isOpen && Date.now() - answeredAt < SHARE * duration; // then the next poll of the status asks
    if (version === shownVersion || isTooSoon) return;
    shownVersion = version;
    if (isOpen) poller.now();
  });
  return {
    ask,
    of: (row) => answers.get(row) ?? null,
    isStale: (row) => (changed.get(row) ?? 0) > (answers.get(row)?.change ?? 0),
    get total() { return total; },
    get isTotalStale() { return change > totalChange; },
    now: poller.now,
    /** Something changed without a step. */
    refresh() {
      change += 1;
      touch();
    },
  };
}

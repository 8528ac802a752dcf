// The rows of the draft: the batch that each was submitted with last is followed, and gives its state with the check.

import { OPEN, mergeRecords, stateOfDraftRow } from "./draft_states.js";
import { isAsSubmitted } from "./row.js";
import { RowStates } from "./row_states.js";
import { fetchJsonIfChanged } from "../core/http.js";
import { poll } from "../core/poll.js";

const RUNNING = 1000; // ms between polls
const AFTER_ERROR = 2000;
const MAX_IDS = 300; // in one address, as the server has it
const PENDING = { label: "…", status: "queued", tone: "", title: "", pictures: [], action: "", canRetry: false };

/**
 * check: see row_check.js; urls: {batches, …} as draft_states.js takes them. row.run is the batch that a row was submitted with.
 *
 * Returns {stateOf(row): PENDING while it is ordered, knownStateOf(row), recordsOf(row), standingOf(row), follow(row), followAll(),
 * whileOrdering(row, action): one at a time for a row}.
 */
export function makeDraftRows(table, { model, urls, check }) {
  const { requestRender } = table.view;
  const batches = pollBatches(urls.batches, requestRender);
  const ordering = new Set(); // rows

  async function whileOrdering(row, action) {
    if (ordering.has(row)) return;
    ordering.add(row);
    requestRender();
    try {
      await action();
    } finally {
      ordering.delete(row);
      requestRender();
    }
  }

  function knownStateOf(row) {
    const checked = check.of(row);
    if (!checked && isAsSubmitted(row, table.allColumns) && !batches.statesOf(row.run)) return PENDING;
    const state = stateOfDraftRow(row, { checked, records: recordsOf(row), model, urls });
    return state && { ...state, isStale: check.isStale(row) };
  }

  /** What the row's last batch made of it, unless it asks for something else by now. */
  function recordsOf(row) {
    const states = isAsSubmitted(row, table.allColumns) && batches.statesOf(row.run);
    if (states && row.asked === null) return states.records; // a draft of an earlier version: a batch of that row alone
    return states ? states.recordsOf(row) : [];
  }

  function follow(row) {
    if (row.run) batches.add(row.run);
  }

  setInterval(() => { if (!document.hidden && !table.readOnly && batches.isRunning()) requestRender(); }, 1000);
  return {
    whileOrdering, knownStateOf, recordsOf, follow,
    stateOf: (row) => (ordering.has(row) ? PENDING : knownStateOf(row)),
    standingOf: (row) => mergeRecords(check.of(row), recordsOf(row)),
    followAll: () => table.rows.all.forEach(follow),
  };
}

// Polls many batches by one request. onChange() is called after each change. Returns {add(id), statesOf(id): RowStates, null while
// they are not known, isRunning(): whether a picture of them is}.
function pollBatches(url, onChange) {
  const known = new Map(); // batch id -> its RowStates
  const versions = new Map(); // of those that may still change: batch id -> version up to which it is known
  let timer = 0;

  async function loadAll(memory) {
    const ids = [...versions.keys()];
    for (let start = 0; start < ids.length; start += MAX_IDS) await load(ids.slice(start, start + MAX_IDS), memory);
  }

  async function load(ids, memory) {
    const since = Math.min(...ids.map((id) => versions.get(id)));
    const answer = await fetchJsonIfChanged(`${url}/changed?ids=${ids.join()}&since=${since}`, memory);
    if (!answer) return;
    for (const id of ids) if (!known.has(id)) known.set(id, new RowStates());
    for (const record of answer.records) known.get(record.batch_id).add([record]);
    for (const id of ids) {
      const isUnderWay = known.get(id).records.some(({ status }) => OPEN.includes(status));
      if (isUnderWay) versions.set(id, answer.version);
      else versions.delete(id);
    }
    onChange();
  }

  const poller = poll(loadAll, {
    interval: (hasFailed) => (versions.size === 0 ? null : hasFailed ? AFTER_ERROR : RUNNING),
  });

  function add(id) {
    versions.set(id, 0);
    clearTimeout(timer);
    timer = setTimeout(poller.now); // after all that are added at once
  }

  return {
    add,
    statesOf: (id) => known.get(id) ?? null,
isRunning: () => [...versions.keys()].some((id) => known.get(id)?.records.some(({ status }) => status === "running")),
  };
}

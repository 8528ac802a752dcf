// 生成 of one row of the draft, a batch of that row alone; and what became of the batches that the rows were submitted with.

import { confirmRetry, pictureCount, priceOf, retryableOf } from "./costs.js";
import { requestDigest, submitRows } from "./row.js";
import { RowStates, stateOfRecords } from "./row_states.js";
import { fetchJsonIfChanged } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { poll } from "../core/poll.js";
import { goToCell } from "../grid/grid.js";
import { confirmCost } from "../ui/confirm.js";

const RUNNING = 1000; // ms between polls
const AFTER_ERROR = 2000;
const MAX_IDS = 300; // in one address, as the server has it
const PENDING = { label: "…", status: "queued", tone: "", title: "", pictures: [], action: "", canRetry: false };

/** Returns {run(row), stateOf(row), recordsOf(row), resume(), listMade()}. row.run is the batch that it was submitted with. */
export function makeSingleRuns(table, { model, url, onSubmitted }) {
  const { requestRender } = table.view;
  const batches = pollBatches(url, requestRender);
  const posting = new Set(); // rows that are being submitted

  async function run(row) {
    if (posting.has(row)) return undefined;
    const [field] = Object.keys(table.validation.problemsOf(row));
    if (field || !row.prompt) {
      goToCell(table, row, field ?? "prompt");
      return field || table.showProblem(_("先写提示词"));
    }
    if (row.run && stateOf(row)?.canRetry) return retry(row);
    return await confirmPrice(row) && submit(row);
  }

  async function submit(row) {
    posting.add(row);
    requestRender();
    try {
      await submitRows(url, table, [row], { about: `row ${table.rows.indexOf(row)}` });
      onSubmitted();
      batches.add(row.run);
      document.dispatchEvent(new Event("poll-now"));
    } catch (failure) {
      table.showProblem(failure.message);
    } finally {
      posting.delete(row);
      requestRender();
    }
  }

  function confirmPrice(row) {
    const price = priceOf(row, model);
    if (price === 0) return true;
    const count = pictureCount(row, model);
    return confirmCost({ title: _("只生成这一行"), text: _("{count} 张，预计 {sum}。", { count, sum: formatPrice(price) }), yes: _("生成 {n} 张", { n: count }) });
  }

  async function retry(row) {
    const records = retryableOf(recordsOf(row));
    if (!await confirmRetry(records)) return;
    try {
      await postOnce(`${url}/${row.run}/retry`, { records: records.map(({ id }) => id) });
      batches.add(row.run);
    } catch (failure) {
      table.showProblem(failure.message);
    }
  }

  function stateOf(row) {
    const records = recordsOf(row);
    if (posting.has(row) || (row.run && !batches.statesOf(row.run))) return PENDING;
    if (records.length === 0) return null;
    const state = stateOfRecords(records);
    return { ...state, action: state.status === "success" ? _("再生成") : state.action };
  }

  function recordsOf(row) {
    const states = row.run && batches.statesOf(row.run);
    if (states && row.asked === null) return states.records; // a draft of an earlier version: a batch of that row alone
    return states ? states.recordsOf(row) : [];
  }

  /** The rows that ask for what was made already, is under way, or was charged; what is not known yet is waited for. */
  async function listMade() {
    await batches.load();
    return table.rows.all.filter((row) => table.validation.isFilled(row) && isMade(row));
  }

  function isMade(row) {
    if (posting.has(row)) return true;
    const asked = requestDigest(row, table.columns);
    if (!row.run || (row.asked ?? asked) !== asked) return false;
    return !batches.statesOf(row.run) || recordsOf(row).some(({ status, charged }) => charged || !["failed", "cancelled"].includes(status));
  }

  const isRunning = () => table.rows.all.some((row) => recordsOf(row).some(({ status }) => status === "running"));
  setInterval(() => { if (!document.hidden && !table.readOnly && isRunning()) requestRender(); }, 1000);
  return {
    run, stateOf, recordsOf, listMade,
    resume() { for (const row of table.rows.all) if (row.run) batches.add(row.run); },
  };
}

// Polls many batches by one request. onChange() is called after each change. Returns {add(id), statesOf(id): RowStates, null while
// they are not known, load(): resolves once all were asked for}.
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
      const isUnderWay = known.get(id).records.some(({ status }) => status === "queued" || status === "running");
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
    load: () => ([...versions.keys()].every((id) => known.has(id)) ? Promise.resolve() : poller.now()),
  };
}

// 生成 and 再要一张 of one row of the draft, a batch of that row alone; and the state of each row.

import { confirmRetry, pictureCount, priceOf, retryableOf } from "./costs.js";
import { mergeRecords, stateOfDraftRow } from "./draft_states.js";
import { isAsSubmitted, submitRows } from "./row.js";
import { RowStates } from "./row_states.js";
import { fetchJsonIfChanged } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { poll } from "../core/poll.js";
import { goToCell, markProblems } from "../grid/grid.js";
import { confirmCost } from "../ui/confirm.js";

const RUNNING = 1000; // ms between polls
const AFTER_ERROR = 2000;
const MAX_IDS = 300; // in one address, as the server has it
const PENDING = { label: "…", status: "queued", tone: "", title: "", pictures: [], action: "", canRetry: false };

/**
 * check: see row_check.js; urls: {batches, …} as draft_states.js takes them. row.run is the batch that a row was submitted with.
 * Returns {run(row), runOnceMore(row), priceOfOneMore(row), stateOf(row), recordsOf(row), standingOf(row), resume()}.
 */
export function makeSingleRuns(table, { model, urls, check, onSubmitted }) {
  const { requestRender } = table.view;
  const batches = pollBatches(urls.batches, requestRender);
  const posting = new Set(); // rows that are being submitted

  /** Order what is missing of a row, after asking the server what that is. */
  async function run(row) {
    if (posting.has(row)) return undefined;
    if (hasProblem(row)) return undefined;
    if (recordsOf(row).length > 0 && stateOf(row)?.canRetry) return retry(row);
    return whilePosting(row, async () => {
      const missing = await askMissing(row);
      if (!missing) return;
      const { count, price } = missing;
      const title = _("只生成这一行");
      if (await confirmPrice({ title, count, price })) await submit(row);
    });
  }

  function hasProblem(row) {
    const [field] = Object.keys(table.validation.problemsOf(row));
    if (!field && row.prompt) return false;
    goToCell(table, row, field ?? "prompt");
    if (!field) table.showProblem(_("先写提示词"));
    return true;
  }

  // {count, price} of the pictures to order; null when there is nothing to order, which is told.
  async function askMissing(row) {
    const checked = (await check.ask([row])).get(row);
    const problems = checked?.problems ?? [];
    if (problems.length > 0) {
      markProblems(table, problems.map((problem) => ({ row, ...problem })));
      goToCell(table, row, problems[0].field);
      table.showProblem(problems[0].error);
      return null;
    }
    if (checked.missing > 0) return { count: checked.missing, price: checked.price };
    table.showMessage(checked.under_way.length > 0 ? _("这一行正在生成，没有再下单") : _("这一行已经有图了，没有再下单；想多要一张，请用「⋯」里的「再要一张」"));
    check.now();
    return null;
  }

  /** One more picture of a row, whatever it has already. */
  function runOnceMore(row) {
    if (posting.has(row) || hasProblem(row)) return undefined;
    const price = priceOfOneMore(row);
    const text = row.seed ? _("这一行写了种子，同一个种子做出来还是同样的图。想要不同的，请先改种子。") : "";
    return whilePosting(row, async () => {
      if (await confirmPrice({ title: _("再要一张"), count: 1, price, text })) await submit(row, { again: true });
    });
  }

  function priceOfOneMore(row) {
    return priceOf({ ...row, num_images: "1" }, model);
  }

  function confirmPrice({ title, count, price, text = "" }) {
    if (price === 0 && !text) return true;
    const costs = _("{count} 张，预计 {sum}。", { count, sum: formatPrice(price) });
    return confirmCost({ title, text: costs + text, yes: _("生成 {n} 张", { n: count }) });
  }

  async function submit(row, { again = false } = {}) {
    const { id } = await submitRows(urls.batches, table, [row], {
      about: `${again ? "one more of " : ""}row ${table.rows.indexOf(row)}`,
      ...(again && { again: new Set([row]), change: { num_images: "1" } }),
    });
    if (!id) table.showMessage(_("这一行刚才已经做过了，没有再下单"));
    onSubmitted();
    if (id) batches.add(row.run);
    check.now();
    document.dispatchEvent(new Event("poll-now"));
  }

  async function retry(row) {
    const records = retryableOf(recordsOf(row));
    if (!await confirmRetry(records)) return;
    try {
      await postOnce(`${urls.batches}/${row.run}/retry`, { records: records.map(({ id }) => id) });
      batches.add(row.run);
    } catch (failure) {
      table.showProblem(failure.message);
    }
  }

  async function whilePosting(row, action) {
    posting.add(row);
    requestRender();
    try {
      await action();
    } catch (failure) {
      table.showProblem(failure.message);
    } finally {
      posting.delete(row);
      requestRender();
    }
  }

  function stateOf(row) {
    if (posting.has(row)) return PENDING;
    const checked = check.of(row);
    if (!checked && isAsSubmitted(row, table.columns) && !batches.statesOf(row.run)) return PENDING;
    const state = stateOfDraftRow(row, { checked, records: recordsOf(row), model, urls });
    return state && { ...state, isStale: check.isStale(row) };
  }

  /** What the row's last batch made of it, unless it asks for something else by now. */
  function recordsOf(row) {
    const states = isAsSubmitted(row, table.columns) && batches.statesOf(row.run);
    if (states && row.asked === null) return states.records; // a draft of an earlier version: a batch of that row alone
    return states ? states.recordsOf(row) : [];
  }

  const standingOf = (row) => mergeRecords(check.of(row), recordsOf(row));

  setInterval(() => { if (!document.hidden && !table.readOnly && batches.isRunning()) requestRender(); }, 1000);
  return {
    run, runOnceMore, priceOfOneMore, stateOf, recordsOf, standingOf,
    resume() { for (const row of table.rows.all) if (row.run) batches.add(row.run); },
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
isRunning: () => [...versions.keys()].some((id) => known.get(id)?.records.some(({ status }) => status === "running")),
  };
}

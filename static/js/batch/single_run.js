// What became of the draft's rows: 生成 of one row (a batch of that row alone), and every batch that one was ordered
// with, followed in its 状态.

import { confirmRetry, imageCount, priceOf } from "./footer.js";
import { requestDigest, postRows } from "./post_rows.js";
import { RowStates, stateOfRecords } from "./row_states.js";
import { HttpError, fetchJsonIfChanged } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { goToCell } from "../grid/grid.js";
import { confirmCost } from "../ui/messages.js";

/** Returns {run(row), stateOf(row), recordsOf(row), resume(), listMade()}; row.run keeps the batch's id, also in the draft. */
export function useSingleRuns(table, { card, url, onChange }) {
  const followed = pollBatches(url, table.view.later);
  const posting = new Set(); // rows on their way

  async function run(row) {
    if (posting.has(row)) return undefined;
    const problems = table.checks.of(row);
    const [field] = Object.keys(problems);
    if (field || !row.prompt) {
      goToCell(table, row, field ?? "prompt");
      return field || table.onComplaint?.(_("先写提示词"));
    }
    if (row.run && stateOf(row)?.action === _("重试")) return retry(row);
    if (!await agreed(row)) return undefined;
    posting.add(row);
    table.view.later();
    try {
      await postRows(url, table, [row], { about: `row ${table.rows.indexOf(row)}` });
      onChange();
      followed.add(row.run);
      document.dispatchEvent(new Event("poll-now"));
    } catch (failure) {
      table.onComplaint?.(failure.message);
    } finally {
      posting.delete(row);
      table.view.later();
    }
    return undefined;
  }

  function agreed(row) {
    const price = priceOf(row, card);
    if (price === 0) return true;
    const count = imageCount(row);
    return confirmCost({ title: _("只生成这一行"), text: _("{count} 张，预计 {sum}。", { count, sum: formatPrice(price) }), yes: _("生成 {n} 张", { n: count }) });
  }

  async function retry(row) {
    const records = recordsOf(row).filter(({ status }) => ["failed", "unknown", "cancelled"].includes(status));
    if (!await confirmRetry(records)) return;
    try {
      await postOnce(`${url}/${row.run}/retry`, { records: records.map(({ id }) => id) });
      followed.add(row.run);
    } catch (failure) {
      table.onComplaint?.(failure.message);
    }
  }

  function stateOf(row) {
    const records = recordsOf(row);
    if (posting.has(row) || (row.run && !followed.of(row.run))) return { word: "…", status: "queued", tone: "", pictures: [], action: "" };
    if (records.length === 0) return null;
    const state = stateOfRecords(records);
    return { ...state, action: state.status === "success" ? _("再生成") : state.action };
  }

  function recordsOf(row) {
    const book = row.run && followed.of(row.run);
    if (book && row.asked === null) return book.all(); // a draft of an earlier version: a batch of that row alone
    return book ? book.of(row) : [];
  }

  /** The rows that ask for what was made already, is under way, or was charged; what is not known yet is waited for. */
  async function listMade() {
    await followed.whenKnown();
    return table.rows.all.filter((row) => table.checks.isFilled(row) && isMade(row));
  }

  function isMade(row) {
    if (posting.has(row)) return true;
    const asked = requestDigest(row, table.columns);
    if (!row.run || (row.asked ?? asked) !== asked) return false;
    return !followed.of(row.run) || recordsOf(row).some(({ status, charged }) => charged || !["failed", "cancelled"].includes(status));
  }

  const isRunning = () => table.rows.all.some((row) => recordsOf(row).some(({ status }) => status === "running"));
  setInterval(() => { if (!document.hidden && !table.readOnly && isRunning()) table.view.later(); }, 1000);
  return {
    run, stateOf, recordsOf, listMade,
    resume() { for (const row of table.rows.all) if (row.run) followed.add(row.run); },
  };
}

// Follows many batches by one request: rows that were generated singly each have a batch of their own.


const RUNNING = 1000;
const AGAIN = 2000;
const MOST = 300; // in one address, as the server has it

/** url: of the batches. onNews() is called after each change. Returns {add(id), of(id) -> the book of its records, null while
    they are not known, whenKnown(): resolves once all were asked for}. */
function pollBatches(url, onNews) {
  const known = new Map(); // batch id -> its book of records
  const versions = new Map(); // of those that are still asked for: batch id -> version up to which it is known
  const memory = {};
  let timer = 0;
  let asking = false;
  let waiting = []; // for the end of the beat that asks for all

  function add(id) {
    versions.set(id, 0);
    clearTimeout(timer);
    timer = setTimeout(beat); // after all that are added at once
  }

  async function beat() {
    clearTimeout(timer);
    if (asking || document.hidden || versions.size === 0) return;
    asking = true;
    const told = waiting;
    waiting = [];
    const pause = await askForAll().then(() => RUNNING, pauseAfter);
    asking = false;
    for (const resolve of told) resolve();
    timer = setTimeout(beat, pause);
  }

  async function askForAll() {
    const ids = [...versions.keys()];
    for (let at = 0; at < ids.length; at += MOST) await ask(ids.slice(at, at + MOST));
  }

  async function ask(ids) {
    const since = Math.min(...ids.map((id) => versions.get(id)));
    const news = await fetchJsonIfChanged(`${url}/changed?ids=${ids.join()}&since=${since}`, memory);
    if (!news) return;
    for (const id of ids) if (!known.has(id)) known.set(id, RowStates());
    for (const record of news.records) known.get(record.batch_id).add([record]);
    for (const id of ids) {
      const isUnderWay = of(id).all().some(({ status }) => status === "queued" || status === "running");
      if (isUnderWay) versions.set(id, news.version);
      else versions.delete(id);
    }
    onNews();
  }

  const of = (id) => known.get(id) ?? null;

  function whenKnown() {
    if ([...versions.keys()].every((id) => known.has(id))) return Promise.resolve();
    const told = new Promise((resolve) => { waiting.push(resolve); });
    beat();
    return told;
  }

  document.addEventListener("visibilitychange", beat);
  return { add, of, whenKnown };
}

function pauseAfter(failure) {
  if (!(failure instanceof HttpError)) reportError(failure);
  return AGAIN;
}

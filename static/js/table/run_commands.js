// What can be done with a batch that was started. All of it may cost money, so each is posted once.

import { amountAtRisk, confirmRetry, formatAmount } from "./charges.js";
import { requeuedMessage, skippedMessage } from "./row_states.js";
import { resumableOf } from "./run_panel.js";
import { requestJson } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { goToCell, markProblems } from "../grid/grid.js";
import { fetchResult, writeOff } from "../records/unresolved.js";
import { confirmCost } from "../ui/confirm.js";
import { offerUndo, showToast } from "../ui/toast.js";

const SKIP = { repeats: "skip" };
const idsOf = (records) => records.map(({ id }) => id);

// Held when it was cancelled; the cancellation may not have been heard of yet.
const wasHeld = ({ status, cause }) => status === "held" || (status === "cancelled" && cause === "held");

/**
 * The commands by name. repairs: see repairs.js; current() -> the batch as it was last heard of; "poll-now" is dispatched after each that was
 * taken; onError(error) is called otherwise, and onError(null) when another one is tried.
 */
export function makeRunCommands({ url, states, table, repairs, current, onError }) {
  /** Run a call; its answer, or null when it failed. */
  async function send(call, message = "") {
    onError(null);
    try {
      const answer = await call();
      document.dispatchEvent(new Event("poll-now"));
      if (message) showToast(message);
      return answer;
    } catch (failure) {
      if (failure.problems?.length > 0) showProblems(failure.problems);
      onError(failure);
      return null;
    }
  }

  // What the server found wrong with changed rows, at their cells.
  function showProblems(problems) {
    const byNumber = new Map(table.rows.all.map((row) => [row.number, row]));
    const found = problems.map(({ row: number, field, error }) => ({ row: byNumber.get(number), field, error }));
    markProblems(table, found);
    const first = found.find(({ row }) => row);
    if (first) goToCell(table, first.row, first.field);
  }

  const postCommand = (name, message) => send(() => requestJson("POST", `${url}/${name}`), message);

  /** Retry these records with what was changed in their rows; what was bought meanwhile is left out, and offered. */
  async function retry(records) {
    table.editor.commit();
    const rows = repairs.changed.filter((row) => repairs.failedOf(row).some((failed) => records.some(({ id }) => id === failed.id)));
    if (goToProblem(rows) || !await confirmRetry(records)) return;
    await postRetry(records, repairs.changesOf(rows), SKIP);
  }

  async function postRetry(records, changes, repeats) {
    const wanted = new Set(idsOf(records));
    const kept = Object.fromEntries(Object.entries(changes).filter(([id]) => wanted.has(Number(id))));
    const body = { records: [...wanted], ...(Object.keys(kept).length > 0 && { changes: kept }), ...repeats };
    const answer = await send(() => postOnce(`${url}/retry`, body));
    if (answer) showRequeued(answer.retried, answer, records, (left) => postRetry(left, changes, { repeats: "again" }));
  }

  // Of what was left out because it was bought meanwhile the person may want another one.
  function showRequeued(count, { batch, skipped = [] }, records, again) {
    const numbers = new Set(skipped.map(({ row }) => row));
    const left = records.filter(({ row_number: number }) => numbers.has(number));
    if (count > 0 || left.length === 0) showToast(requeuedMessage(count, batch));
    if (left.length === 0) return;
    showToast(skippedMessage(numbers.size), { label: _("仍然再做"), run: () => again(left) });
  }

  /** Whether a changed row cannot be sent as it is; its cell is shown then. */
  function goToProblem(rows) {
    const wrong = rows.find((row) => Object.keys(table.validation.problemsOf(row)).length > 0);
    if (!wrong) return false;
    const [field] = Object.keys(table.validation.problemsOf(wrong));
    goToCell(table, wrong, field);
    return true;
  }

  async function retryAll() {
    table.editor.commit();
    if (repairs.changed.length === 0) {
      const answer = await send(() => postOnce(`${url}/retry`, SKIP));
      const failed = states.records.filter(({ status, charged }) => status === "failed" && !charged);
      if (answer) showRequeued(answer.retried, answer, failed, (left) => postRetry(left, {}, { repeats: "again" }));
      return;
    }
    const changed = repairs.changed.flatMap(repairs.failedOf);
    const others = states.records.filter((record) => record.status === "failed" && !record.charged && !changed.includes(record));
    await retry([...changed, ...others]);
  }

  async function cancel() {
    const answer = await postCommand("cancel");
    if (!answer) return;
    const { cancelled, undo, was_paused: paused, batch: { counts: { running } } } = answer;
    const message = _("已取消还没开始的 {n} 张，没有计费", { n: cancelled });
    const rest = running > 0 ? _("，正在生成的 {running} 张会做完", { running }) : "";
    offerUndo(message + rest, () => postUncancel({ records: undo, paused }), { whileShown: true });
  }

  async function uncancel() {
    const resumable = resumableOf(states.records);
    const records = resumable.filter((record) => !wasHeld(record)); // the others are held again, not made
    const n = records.length;
    const held = resumable.length - n;
    const { estimated_cost: cost, total } = current();
    const sum = formatPrice(cost === null ? NaN : cost / total * n);
    const text = held > 0 ? _("约 {sum}。另外 {held} 张照旧等放行。", { sum, held }) : _("约 {sum}。", { sum });
    const isConfirmed = n === 0 || await confirmCost({ title: _("继续剩下的 {n} 张？", { n }), text, yes: _("继续 {n} 张", { n }) });
    if (isConfirmed) await postUncancel(SKIP, records).catch(onError);
  }

  async function postUncancel(body, records = []) {
    onError(null);
    const isMeant = ({ id, status }) => body.records?.includes(id) ?? status === "cancelled";
    const held = states.records.filter((record) => isMeant(record) && wasHeld(record)).length;
    const answer = await requestJson("POST", `${url}/uncancel`, body);
    document.dispatchEvent(new Event("poll-now"));
    if (held > 0 && held === answer.records) showToast(_("{n} 张恢复了，等放行", { n: held }));
    else showRequeued(answer.records - held, answer, records, (left) => postUncancel({ records: idsOf(left), repeats: "again" }));
  }

  async function resolve(action) {
    onError(null);
    await action().catch(onError);
  }

  return {
    pause: () => postCommand("pause", _("已暂停：正在生成的会做完，不再开始新的")),
    resume: () => postCommand("resume", _("继续生成")),
    cancel, uncancel, retry, retryAll,
    retryChanged: () => retry(repairs.changed.flatMap(repairs.failedOf)),
    fetchResult: (records) => resolve(() => fetchResult({ ids: idsOf(records) })),
    writeOff: (records) => resolve(() => writeOff({ ids: idsOf(records) }, { count: records.length, atStake: formatAmount(amountAtRisk(records)) })),
  };
}

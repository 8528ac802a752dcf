// A batch that was started: its rows with their states, its progress, and what can be done about it.

import { makeBudgetForm } from "./budget_form.js";
import { unchecked } from "./columns.js";
import { amountAtRisk, confirmRetry, formatAmount, retryableOf } from "./costs.js";
import { makeRow, requestDigest } from "./row.js";
import { RowStates, requeuedMessage } from "./row_states.js";
import { makeRunLog } from "./run_log.js";
import { makeRunPanel, resumableOf } from "./run_panel.js";
import { fetchJsonIfChanged, messageOf, requestJson } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { poll } from "../core/poll.js";
import { goToCell } from "../grid/grid.js";
import { fetchResult, writeOff } from "../records/unresolved.js";
import { confirmCost } from "../ui/confirm.js";
import { announce, offerUndo } from "../ui/toast.js";

const RUNNING = 1000; // ms between polls
const AFTER_ERROR = 2000;
const ENDED = 10_000;
const HIDDEN = 15_000;

const idsOf = (records) => records.map(({ id }) => id);

/**
 * Show a batch in the table and keep it up to date. context: see pages/batch.js; submitted: the rows as they were just sent,
 * if they were; onCopy(rows, {prefix, suffix}) makes them the draft. Returns {prefix, suffix, stateOf(row), recordsOf(row), retryRow(row)}.
 */
export function openRun({ page, table, urls }, { id, submitted = null, onCopy }) {
  const url = `${urls.batches}/${id}`;
  const states = new RowStates();
  const loading = page.querySelector("[data-wait]");
  const header = page.querySelector("[data-run]");
  const commands = makeCommands({ url, states, current: () => batch, onSent: () => poller.now(), onError: showCommandError, showMessage: table.showMessage });
  const panel = makeRunPanel(header, { url, ...commands });
  const budgetForm = makeBudgetForm(page.querySelector("[data-run-paused]"), { url: page.dataset.budgetsUrl, resume: commands.resume });
  const log = makeRunLog(page.querySelector("[data-log]"), goToRecord);
  let batch = null; // as it was last heard of
  let connectionError = "";
  let commandError = ""; // of the last command
  let isUnreachable = false; // whether the last command did not reach the service: no longer shown once it can be reached

  table.readOnly = true;
  table.element.classList.add("is-read-only");
  loading.hidden = Boolean(submitted);
  if (submitted) {
    table.rows.reset(submitted);
    table.selection.reset();
  }

  function show(answer) {
    const isFirst = !batch;
    ({ batch } = answer);
    states.add(answer.records);
    if (isFirst && states.rowCount !== submitted?.length) table.rows.reset(states.makeRows());
    for (const row of table.rows.all) row.seed = states.seedOf(row);
    reveal();
    panel.show(batch, states.records);
    budgetForm.show(batch);
    log.add(answer.log, answer.log_left_out);
    table.view.requestRender();
  }

  // Header and table come in together: nothing is pushed away.
  function reveal() {
    loading.hidden = true;
    page.classList.add("is-running");
    page.classList.remove("is-opening");
  }

  const poller = pollBatch(url, {
    onChange: show,
    isWanted: () => panel.isNotifying,
    onError(error) {
      if (error.status === 404) reveal();
      connectionError = error.status === 0 ? _("连不上服务，正在重试…") : messageOf(error);
      showErrors();
    },
    onSuccess() {
      if (isUnreachable) showCommandError(null);
      connectionError = "";
      showErrors();
    },
  });

  function showCommandError(error) {
    commandError = error ? messageOf(error) : "";
    isUnreachable = error?.status === 0;
    showErrors();
  }

  function showErrors() {
    panel.showError(connectionError || commandError);
  }

  function goToRecord(recordId) {
    const row = table.rows.all.find((one) => states.recordsOf(one).some((record) => record.id === recordId));
    if (row) goToCell(table, row, "status");
  }

  // The copy knows what it was made with: what is not changed in it is not paid for once more by itself. What a record
  // keeps is the seed that was used: in a new request it would only make the same picture again.
  function copyOf(row) {
    const records = states.recordsOf(row);
    const isMade = records.some(({ status }) => status === "success");
    const named = records[0].templates?.sample_images?.map((image) => (image.url ? image : unchecked(image.filename)));
    const copy = makeRow({ ...row, sample_images: named ?? row.sample_images, ...(isMade && { seed: "" }) });
    return Object.assign(copy, { run: id, asked: requestDigest(copy, table.allColumns, batch) });
  }

  header.addEventListener("click", ({ target }) => {
    const name = target.closest("[data-command]")?.dataset.command;
    if (name === "copy") onCopy(states.makeRows().map(copyOf), { prefix: batch.prefix, suffix: batch.suffix });
    else if (name === "retry") commands.retryAll();
    else commands[name]?.();
  });
  document.addEventListener("records-resolved", poller.now);
  // Running rows count their seconds; only visible ones are rendered.
  setInterval(() => { if (batch?.counts.running > 0 && !document.hidden) table.view.requestRender(); }, 1000);
  announce(_("批次已打开"));
  return {
    get prefix() { return batch?.prefix; },
    get suffix() { return batch?.suffix; },
    stateOf: (row) => states.stateOf(row),
    recordsOf: (row) => states.recordsOf(row),
    retryRow: (row) => commands.retry(retryableOf(states.recordsOf(row))),
  };
}

// What can be done with a batch, by the name of the command. onSent() after each that was taken, onError(error) otherwise,
// and onError(null) when another one is tried.
function makeCommands({ url, states, current, onSent, onError, showMessage }) {
  /** Run a call; its answer, or null when it failed. */
  async function send(call, message = "") {
    onError(null);
    try {
      const answer = await call();
      onSent();
      document.dispatchEvent(new Event("poll-now"));
      if (message) showMessage(message);
      return answer;
    } catch (failure) {
      onError(failure);
      return null;
    }
  }

  const postCommand = (name, message) => send(() => requestJson("POST", `${url}/${name}`), message);

  async function retryAll(body) {
    const answer = await send(() => postOnce(`${url}/retry`, body));
    if (answer) showMessage(requeuedMessage(answer.retried, answer.batch));
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
    const n = resumableOf(states.records).length;
    const { estimated_cost: cost, total } = current();
    const sum = formatPrice(cost === null ? NaN : cost / total * n);
    const isConfirmed = await confirmCost({ title: _("继续剩下的 {n} 张？", { n }), text: _("约 {sum}。", { sum }), yes: _("继续 {n} 张", { n }) });
    if (isConfirmed) await postUncancel({}).catch(onError);
  }

  async function postUncancel(body) {
    onError(null);
    const answer = await requestJson("POST", `${url}/uncancel`, body);
    onSent();
    document.dispatchEvent(new Event("poll-now"));
    showMessage(requeuedMessage(answer.records, answer.batch));
  }

  async function resolve(action) {
    onError(null);
    await action().catch(onError);
  }

  return {
    pause: () => postCommand("pause", _("已暂停：正在生成的会做完，不再开始新的")),
    resume: () => postCommand("resume", _("继续生成")),
    cancel, uncancel, retryAll,
    async retry(records) {
      if (await confirmRetry(records)) await retryAll({ records: idsOf(records) });
    },
    fetchResult: (records) => resolve(() => fetchResult({ ids: idsOf(records) })),
    writeOff: (records) => resolve(() => writeOff({ ids: idsOf(records) }, { count: records.length, atStake: formatAmount(amountAtRisk(records)) })),
  };
}

// Poll a batch: onChange(answer) for each change, onError(error) when there was no answer or it could not be rendered,
// onSuccess() when there was one. isWanted() says whether to go on while the page is hidden.
function pollBatch(url, { onChange, onError, onSuccess, isWanted }) {
  let version = 0;
  let hasEnded = false;

  async function load(memory) {
    const answer = await fetchJsonIfChanged(`${url}?since=${version}`, memory);
    if (answer) {
      onChange(answer);
      version = answer.version; // only now: what could not be rendered is sent again
      hasEnded = ["finished", "cancelled"].includes(answer.batch.status);
    }
    onSuccess();
  }

  const poller = poll(load, {
    interval: (hasFailed) => (document.hidden ? HIDDEN : hasFailed ? AFTER_ERROR : hasEnded ? ENDED : RUNNING),
    isPaused: () => document.hidden && !isWanted(),
    onError(error) {
      onError(error);
      if (error.status === 404) poller.stop();
    },
  });
  poller.now();
  return poller;
}

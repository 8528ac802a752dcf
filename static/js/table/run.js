// A batch that was started: its rows with their states, its progress, and what can be done about it.

import { makeBudgetForm } from "./budget_form.js";
import { batchName } from "./batch_name.js";
import { unchecked } from "./columns.js";
import { openCopy } from "./copy_dialog.js";
import { retryableOf } from "./costs.js";
import { makeMenu } from "./menu.js";
import { makeRepairBar } from "./repair_bar.js";
import { makeRepairs } from "./repairs.js";
import { makeRow, requestDigest } from "./row.js";
import { RowStates } from "./row_states.js";
import { makeRunCommands } from "./run_commands.js";
import { makeRunLog } from "./run_log.js";
import { makeRunPanel } from "./run_panel.js";
import { fetchJsonIfChanged, messageOf } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { poll } from "../core/poll.js";
import { goToCell, validateAgain } from "../grid/grid.js";
import { announce } from "../ui/toast.js";

const RUNNING = 1000; // ms between polls
const AFTER_ERROR = 2000;
const ENDED = 10_000;
const HIDDEN = 15_000;

/**
 * Show a batch in the table and keep it up to date. context: see pages/batch.js; submitted: the rows as they were just sent,
 * if they were; onCopy(rows, {prefix, suffix}) makes them the draft; onShow() is called after each change. Returns {prefix, suffix,
 * stateOf(row), recordsOf(row), retryRow(row), canEdit(row, column), isChanged(row), revert(row), refresh(), showProblem(text)}.
 */
export function openRun({ page, table, urls, model, filter, commands: pageCommands }, { id, submitted = null, onCopy, onShow }) {
  const url = `${urls.batches}/${id}`;
  const states = new RowStates();
  const loading = page.querySelector("[data-wait]");
  const header = page.querySelector("[data-run]");
  const repairs = makeRepairs(table, states, id, showRepairs);
  const commands = makeRunCommands({ url, states, table, repairs, current: () => batch, onError: showCommandError });
  const bar = makeRepairBar(page.querySelector("[data-run-repair]"), { table, repairs, model });
  const panel = makeRunPanel(header, { id, url, urls, table, states, filter, retry: commands.retry, fetchResult: commands.fetchResult, writeOff: commands.writeOff, repair });
  const budgetForm = makeBudgetForm(page.querySelector("[data-run-paused]"), { url: page.dataset.budgetsUrl, resume: commands.resume });
  const log = makeRunLog(page.querySelector("[data-log]"), goToRecord);
  const menu = page.querySelector("[data-run-menu]");
  let batch = null; // as it was last heard of
  let connectionError = "";
  let commandError = ""; // of the last command
  let isUnreachable = false; // whether the last command did not reach the service: no longer shown once it can be reached

  table.readOnly = true;
  table.element.classList.add("is-read-only");
  loading.hidden = Boolean(submitted);
  if (submitted) {
    table.rows.reset(submitted.map((row) => makeRow({ ...row, marks: {} }))); // what the import corrected is of the draft
    table.selection.reset();
  }

  function show(answer) {
    const isFirst = !batch;
    ({ batch } = answer);
    states.add(answer.records);
    states.isPaused = batch.status === "paused";
    if (isFirst && states.rowCount !== submitted?.length) table.rows.reset(states.makeRows());
    const updated = new Set(answer.records.map((record) => record.row_number));
    const rows = table.rows.all.filter(({ number }) => updated.has(number));
    for (const row of rows) row.seed = states.seedOf(row);
    repairs.update(rows);
    reveal();
    panel.show(batch, countOpen());
    budgetForm.show(batch);
    filter.look();
    bar.refresh();
    log.add(answer.log, answer.log_left_out);
    table.view.requestRender();
    if (!isFirst) onShow();
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

  function countOpen() {
    return table.rows.all.filter(repairs.isOpen).length;
  }

  function showRepairs() {
    bar.refresh();
    table.view.requestRender();
  }

  /** Show only the failed rows, or those of some records, and begin with the first. */
  function repair(records = null) {
    const wanted = new Set(records?.map(({ row_number: number }) => number));
    if (records) filter.show(_("这个原因的"), ({ number }) => wanted.has(number));
    else panel.showFailed();
    const first = table.rows.shown.find(repairs.isOpen);
    if (first) goToCell(table, first, "prompt");
  }

  function goToRecord(recordId) {
    const row = table.rows.all.find((one) => states.recordsOf(one).some((record) => record.id === recordId));
    if (row) goToCell(table, row, "status");
  }

  // The copy knows what it was made with: what is not changed in it is not paid for once more by itself. What a record
  // keeps is the seed that was used: in a new request it would only make the same picture again.
  function copyOf(row, affixes) {
    const records = states.recordsOf(row);
    const isMade = records.some(({ status }) => status === "success");
    const named = records[0].templates?.sample_images?.map((image) => (image.url ? image : unchecked(image.filename)));
    const copy = makeRow({ ...row, model: row.model || model.label, sample_images: named ?? row.sample_images, ...(isMade && { seed: "" }) });
    return Object.assign(copy, { run: id, asked: requestDigest(copy, table.allColumns, affixes) });
  }

  // Words that were changed after a failure hold prefix and suffix already: then all rows are copied with the words that were sent.
  function copy() {
    const { prefix, suffix } = batch;
    const isAsTyped = !(prefix || suffix) || states.records.every(({ templates }) => templates?.prompt !== undefined);
    const affixes = isAsTyped ? { prefix, suffix } : { prefix: "", suffix: "" };
    const rows = states.makeRows().map((row) => (isAsTyped ? row : { ...row, prompt: states.recordsOf(row)[0].prompt }));
    onCopy(rows.map((row) => copyOf(row, affixes)), affixes);
  }

  Object.assign(pageCommands, {
    ...commands, copy,
    "copy-model": () => openCopy(urls, batch, batchName(batch)),
    repair: () => repair(),
    more: makeMenu(menu).open,
    retry: commands.retryAll,
    "retry-changed": commands.retryChanged,
  });
  menu.addEventListener("click", () => menu.hidePopover());
  for (const name of ["poll-now", "records-resolved", "records-restored"]) document.addEventListener(name, poller.now);
  document.addEventListener("records-deleted", ({ detail: ids }) => {
    states.remove(ids);
    table.view.requestRender();
  });
  // Running rows count their seconds; only visible ones are rendered.
  setInterval(() => { if (batch?.counts.running > 0 && !document.hidden) table.view.requestRender(); }, 1000);
  announce(_("批次已打开"));
  return {
    get prefix() { return batch?.prefix; },
    get suffix() { return batch?.suffix; },
    stateOf: (row) => states.stateOf(row),
    recordsOf: (row) => states.recordsOf(row),
    retryRow: (row) => commands.retry(retryableOf(states.recordsOf(row))),
    canEdit: repairs.canEdit,
    isChanged: (row) => repairs.changed.includes(row),
    revert: repairs.revert,
    refresh() {
      repairs.refresh();
      validateAgain(table, repairs.changed);
    },
    showProblem: bar.showProblem,
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

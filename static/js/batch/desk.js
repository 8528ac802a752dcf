// The larger jobs of the page, loaded once the table stands: start, run, export, earlier batches, a row's own.

import { useImport } from "./import.js";
import { useReferences } from "./references.js";
import { useRowJobs } from "./row_actions.js";
import { useSingleRuns } from "./single_run.js";
import { _, language } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { goToNextProblem } from "../grid/grid.js";
import { showToast } from "../ui/messages.js";

const running = lazy(() => import("./run.js"));
const starting = lazy(() => import("./submit.js"));
const exporting = lazy(() => import("./export.js"));
const settingValues = lazy(() => import("./bulk_edit.js"));
const earlierBatches = lazy(() => import("./history.js"));

/** batch: {page, table, card, dialog(name), draft, foot, started, run}. Returns the jobs by name. */
export function makeDesk(batch) {
  const { page, table, card, dialog, draft, foot } = batch;
  const urls = page.dataset;
  const notice = page.querySelector("[data-draft-notice]");
  const singles = useSingleRuns(table, { card, url: urls.batchesUrl, onChange: draft.later });
  const references = useReferences(table, {
    dialog: dialog("references"), url: urls.samplesUrl, most: Math.min(card.max_references, 4),
  });
  const report = useImport(batch, { references });

  const refresh = () => {
    foot.refresh();
    report.refresh();
  };
  table.onReferences = refresh; // not kept: with two tabs the idle one would write its old rows
  table.onMarked = refresh;
  table.rows.watch(report.refresh);
  batch.report = report;
  const { activate } = useRowJobs(batch, { singles, references });
  let passing = false; // whether the notice is true only until the rows change
  table.rows.watch(({ reset }) => {
    if (reset) return;
    batch.started = null;
    if (passing) notice.hidden = true;
  });

  /** What belongs to the draft, whose rows stand in the table as they were kept. */
  function restore({ started, copied, repaired, imported }) {
    table.stateOf = singles.stateOf;
    singles.resume();
    foot.refresh();
    if (Array.isArray(imported?.notes)) report.take(imported, { shown: false });
    if (repaired > 0) draft.later();
    if (copied) placeCopied(copied);
    else if (repaired > 0) tell(true, _("草稿里有 {n} 格的内容和它的列不符，已改成文字，请核对。", { n: repaired }));
    else if (started) showStarted(started);
  }

  function placeCopied(copied) {
    const before = table.rows.all.some(table.checks.isFilled);
    table.rows.step(_("复制为新草稿"), () => {
      table.rows.remove(table.rows.all);
      table.rows.insert(0, copied);
    });
    report.forget();
    draft.replaced();
    singles.resume();
    if (before) tell(true, _("表格里现在是复制来的批次。原来的草稿还在，按「撤销」（Ctrl+Z）就换回来。"));
  }

  function showStarted({ id, at }) {
    const link = document.createElement("a");
    link.href = `${urls.pageUrl}?id=${encodeURIComponent(id)}`;
    link.textContent = _("查看进度");
    const clear = noticeButton(_("清空，写下一批"), () => {
      table.actions.remove(table.rows.all);
      table.editor.regain();
      table.tell(_("表格已清空"));
    });
    tell(true, _("这份表格在 {moment} 已经开始生成。", { moment: new Date(at).toLocaleString(language, { hourCycle: "h23" }) }), link, clear);
  }

  /** Another tab wrote the draft: the last to write wins. */
  function showElsewhere() {
    if (table.readOnly) return;
    tell(false, _("这份草稿刚在另一个标签页里改过，这里还是旧的；在这里继续改会盖掉那边的改动。"), noticeButton(_("载入那边的"), () => location.reload()));
  }

  function tell(untilChange, ...words) {
    passing = untilChange;
    notice.replaceChildren(...words);
    notice.hidden = false;
  }

  function noticeButton(label, run) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button is-small";
    button.textContent = label;
    button.addEventListener("click", run);
    return button;
  }

  async function start() {
    if (table.readOnly || dialog("start").open) return;
    table.editor.commit();
    const { rows, bad } = foot.sum();
    if (rows === 0) return void table.onComplaint?.(_("表格还是空的，先写一行提示词或导入 Excel"));
    if (bad > 0) return void goToNextProblem(table);
    const [{ confirmStart }, made] = await Promise.all([starting(), singles.listMade()]);
    if (table.readOnly || document.querySelector("dialog[open]")) return;
    confirmStart(dialog("start"), {
      table, card, url: urls.batchesUrl, sum: foot.sum(), made,
      startedBefore: batch.started && new Date(batch.started.at).toLocaleTimeString(language, { hourCycle: "h23" }),
      onStarted,
    });
  }

  function onStarted(id, rows) {
    batch.started = { id, at: Date.now() };
    draft.save();
    history.replaceState(null, "", `${urls.pageUrl}?id=${encodeURIComponent(id)}`);
    report.close();
    notice.hidden = true;
    openRun(id, rows);
    document.dispatchEvent(new Event("poll-now"));
  }

  async function openRun(id, posted = null) {
    const { openRun: open } = await running();
    batch.run = open({ page, table, url: urls.batchesUrl, id, posted, onCopy: copyToDraft });
    foot.refresh();
  }

  // A batch's rows become the draft; the address says so.
  async function copyToDraft(rows) {
    try {
      await draft.replace(rows);
    } catch {
      return tell(false, _("浏览器没有存下草稿，所以没有复制。请关掉无痕模式或清理浏览器的空间，再试一次。"));
    }
    return location.assign(urls.pageUrl);
  }

  async function exportTable(button) {
    if (table.rows.length === 0) return table.onComplaint?.(_("表格还是空的，没有可以导出的"));
    if (button.hasAttribute("aria-disabled")) return undefined;
    const words = button.textContent;
    button.style.minWidth = `${button.offsetWidth}px`;
    button.setAttribute("aria-disabled", "true");
    const slow = setTimeout(() => { button.textContent = _("💾 正在导出…"); }, 300);
    try {
      const { exportRows } = await exporting();
      return await exportRows(urls.exportUrl, table.rows.all).catch((failure) => report.fail(failure.message));
    } finally {
      clearTimeout(slow);
      button.removeAttribute("aria-disabled");
      button.textContent = words;
    }
  }

  async function setValue() {
    const { openBulkEdit } = await settingValues();
    openBulkEdit(dialog("bulk-edit"), table);
  }

  async function showEarlier() {
    const { openHistory } = await earlierBatches();
    openHistory(dialog("history"), { url: urls.batchesUrl, pageUrl: urls.pageUrl, say: showToast });
  }

  return { restore, showElsewhere, activate, start, openRun, exportTable, setValue, showEarlier, nextProblem: () => goToNextProblem(table) };
}

// The buttons around the table by name (data-command), and the tools for rows picked by checkbox.


/** commands: name -> function. Buttons with data-command inside `page` run them. */
export function useCommands(page, commands) {
  page.addEventListener("click", (event) => {
    const button = event.target.closest("[data-command]");
    if (button) commands[button.dataset.command]?.(button);
  });
}

/** Checkboxes of rows, the one for all, and the tools that appear with them. */
export function usePicks(page, table) {
  const { selection, rows } = table;
  const all = page.querySelector("[data-select-all]");
  const tools = page.querySelector("[data-batch-toolbar]");
  const picked = page.querySelector("[data-selection-toolbar]");
  let last = -1;

  table.body.addEventListener("click", (event) => {
    const box = event.target.closest("[data-select]");
    if (!box) return;
    const { row } = table.view.placeOfElement(box.closest("[data-column]"));
    const from = event.shiftKey && last >= 0 ? Math.min(last, row) : row;
    const to = event.shiftKey && last >= 0 ? Math.max(last, row) : row;
    last = row;
    selection.pick(rows.all.slice(from, to + 1), box.checked);
  });
  all.addEventListener("click", () => selection.pick(rows.all, all.checked));
  selection.watch(() => {
    const count = selection.picked.size;
    tools.hidden = count > 0;
    picked.hidden = count === 0;
    page.querySelector("[data-selected-count]").textContent = _("已选 {count} 行", { count });
    all.checked = count > 0 && count === rows.length;
    all.indeterminate = count > 0 && count < rows.length;
    table.view.later();
  });
}

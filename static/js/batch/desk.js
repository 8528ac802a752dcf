// The larger jobs of the page, loaded once the table stands: import, export, start, run, earlier batches.

import { toast } from "../messages.js";
import { firstField } from "../table/actions.js";
import { makeRow } from "../table/row.js";
import { importFile, receiveFiles } from "./importing.js";
import { goToCell, goToNextProblem, markProblems } from "./problems.js";
import { makeReport } from "./report.js";
import { useReferences } from "./references.js";
import { useRowMenu } from "./row_menu.js";
import { useSingleRows } from "./single_rows.js";
import { askToStart } from "./start.js";

/** batch: {page, table, card, budgetLeft, dialog(name), draft, foot, started, run}. Returns the jobs by name. */
export function makeDesk(batch) {
  const { page, table, card, dialog, draft, foot } = batch;
  const urls = page.dataset;
  const notice = page.querySelector("[data-draft-notice]");
  const singles = useSingleRows(table, { card, url: urls.batchesUrl, onChange: draft.later });
  const references = useReferences(table, {
    dialog: dialog("references"), url: urls.samplesUrl, most: Math.min(card.max_references, 4),
  });
  const report = makeReport(page.querySelector("[data-report]"), {
    goTo: (row, field) => goToCell(table, row, field),
    chooseReference: (row, name) => {
      goToCell(table, row, "sample_images");
      references.choose(row, name);
    },
  });

  table.onReferences = draft.later;
  table.onMarked = foot.refresh;
  receiveFiles(page, { input: page.querySelector("[data-file]"), curtain: page.querySelector("[data-drop]"), take: takeFile });
  const menu = useRowMenu(document.querySelector("[data-menu]"), table, itemsOf);
  table.body.addEventListener("click", onCellClick);
  addEventListener("paste", pasteAnywhere);
  table.rows.watch(({ reset }) => {
    if (reset || !batch.started) return;
    batch.started = null;
    notice.hidden = true;
  });

  /** The draft as it was kept. */
  function restore({ rows, started }) {
    table.rows.reset(rows.map(makeRow));
    table.stateOf = singles.stateOf;
    singles.resume();
    foot.refresh();
    if (started) showStarted(started);
  }

  function showStarted({ id, at }) {
    const link = document.createElement("a");
    link.href = `${urls.pageUrl}?id=${encodeURIComponent(id)}`;
    link.textContent = "看进度";
    const clear = noticeButton("清空，写下一批", () => {
      table.actions.remove(table.rows.all);
      notice.hidden = true;
      toast("表格已清空", { label: "撤销", run: table.undo });
    });
    notice.replaceChildren(`这份表格在 ${new Date(at).toLocaleString("zh-CN", { hour12: false })} 已经开始生成。`, link, clear);
    notice.hidden = false;
  }

  /** Another tab wrote the draft: the last to write wins. */
  function showElsewhere() {
    if (table.readOnly) return;
    notice.replaceChildren("这份草稿刚在另一个标签页里改过，这里还是旧的；在这里继续改会盖掉那边的改动。", noticeButton("载入那边的", () => location.reload()));
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

  async function takeFile(file) {
    if (table.readOnly) return toast("这是已经开始的批次，请先回到草稿再导入");
    report.say(`正在读取「${file.name}」…`);
    try {
      const found = await importFile(urls.importUrl, file);
      const existing = foot.sum().rows;
      const place = existing > 0 ? await report.ask(existing, `「${file.name}」读到 ${found.rows.length} 行`) : "replace";
      placeRows(found, place);
      report.show({ ...found, name: file.name });
    } catch (failure) {
      report.fail(failure.message);
    }
    return undefined;
  }

  function placeRows({ rows, problems }, place) {
    const room = table.most - (place === "append" ? table.rows.length : 0);
    const taken = rows.slice(0, room);
    if (taken.length < rows.length) toast(`一个批次最多 ${table.most} 行，后面的 ${rows.length - taken.length} 行没有带进来`);
    table.rows.step(place === "append" ? "追加导入" : "导入", () => {
      if (place === "replace") table.rows.remove(table.rows.all);
      table.rows.insert(table.rows.length, taken);
    });
    markProblems(table, problems.map((problem) => ({ ...problem, error: problem.fixed ? "" : problem.error, fixed: correction(problem) })));
    foot.refresh();
    draft.later();
    if (taken.length > 0) table.selection.goTo(table.rows.length - taken.length, firstField(table));
  }

  function correction({ fixed, seen }) {
    return fixed ? `导入时由「${seen}」更正` : "";
  }

  // A block that was copied elsewhere, pasted while nothing on the page has the focus.
  function pasteAnywhere(event) {
    if (event.target.closest?.("input, textarea, dialog") || table.readOnly || event.clipboardData.files.length > 0) return;
    const text = event.clipboardData.getData("text/plain");
    if (!text) return;
    event.preventDefault();
    table.clipboard.paste(text);
    table.editor.focus();
  }

  function onCellClick(event) {
    const cell = event.target.closest("[data-column]");
    if (!cell) return;
    const row = table.rows.at(table.view.placeOfElement(cell).row);
    const picture = event.target.closest("[data-picture]");
    if (picture && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      openPicture(Number(picture.dataset.picture));
    }
    if (event.target.closest("[data-run-row]")) runRow(row);
  }

  function runRow(row) {
    return table.readOnly ? batch.run?.retryRow(row) : singles.run(row);
  }

  async function openPicture(id) {
    const recordsOf = batch.run ? batch.run.book.of : singles.recordsOf;
    const kept = table.rows.all.flatMap(recordsOf).filter(({ status, image_path: path }) => status === "success" && path);
    const { openGallery } = await import("./gallery.js");
    openGallery(page.querySelector("[data-gallery]"), kept, id);
  }

  // Enter or F2 on a cell that is not text.
  function activate(column, index) {
    const row = table.rows.at(index);
    if (!row) return;
    if (column.kind === "references") references.choose(row);
    if (column.kind === "actions") menu.open(index);
    if (column.kind === "status") {
      const [picture] = table.stateOf(row)?.pictures ?? [];
      if (picture) openPicture(picture.id);
      else if (table.stateOf(row)?.action === "重试") runRow(row);
    }
  }

  function itemsOf(index) {
    const row = table.rows.at(index);
    const pick = () => ({ label: "复制提示词", run: () => navigator.clipboard.writeText(row.prompt) });
    if (table.readOnly) {
      const again = table.stateOf(row)?.action === "重试" ? [{ label: "重试这一行", run: () => runRow(row) }] : [];
      return [...again, pick()];
    }
    const { actions } = table;
    return [
      { label: "只生成这一行", run: () => runRow(row) },
      { label: "选择参考示例图", run: () => references.choose(row) },
      { label: "在上面插入一行", run: () => actions.add(1, index) },
      { label: "在下面插入一行", run: () => actions.add(1, index + 1) },
      { label: "复制这一行", run: () => actions.duplicate([row]) },
      ...(index > 0 ? [{ label: "上移", run: () => actions.moveTo([row], index - 1) }] : []),
      ...(index < table.rows.length - 1 ? [{ label: "下移", run: () => actions.moveTo([row], index + 2) }] : []),
      {
        label: "删除这一行", danger: true, run: () => {
          actions.remove([row]);
          toast(`删除了第 ${index + 1} 行`, { label: "撤销", run: table.undo });
        },
      },
    ];
  }

  function start() {
    if (table.readOnly) return;
    table.editor.commit();
    askToStart(dialog("start"), {
      table, card, url: urls.batchesUrl, sum: foot.sum(), budgetLeft: batch.budgetLeft,
      startedBefore: batch.started && new Date(batch.started.at).toLocaleTimeString("zh-CN", { hour12: false }),
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
    document.dispatchEvent(new Event("look-now"));
  }

  async function openRun(id, posted = null) {
    const { openRun: open } = await import("./run.js");
    batch.run = open({ page, table, url: urls.batchesUrl, id, posted, onCopy: copyToDraft });
    foot.refresh();
  }

  // A batch's rows become the draft; the address says so.
  async function copyToDraft(rows) {
    await draft.replace(rows);
    location.assign(urls.pageUrl);
  }

  async function exportTable() {
    if (table.rows.length === 0) return toast("表格还是空的，没有可以导出的");
    const { exportRows } = await import("./export.js");
    return exportRows(urls.exportUrl, table.rows.all).catch((failure) => report.fail(failure.message));
  }

  async function setValue() {
    const { openSetValue } = await import("./set_value.js");
    openSetValue(dialog("set"), table);
  }

  async function showEarlier() {
    const { openEarlier } = await import("./earlier.js");
    openEarlier(dialog("earlier"), { url: urls.batchesUrl, pageUrl: urls.pageUrl, say: toast });
  }

  return { restore, showElsewhere, activate, start, openRun, exportTable, setValue, showEarlier, nextProblem: () => goToNextProblem(table) };
}

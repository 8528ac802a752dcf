// 批量生成: the draft in the table, or with ?id= a batch that was started.

import { makeCellDrawer } from "../batch/cells.js";
import { useCommands, usePicks } from "../batch/desk.js";
import { makeDraft } from "../batch/draft.js";
import { makeFooter } from "../batch/footer.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { makeGrid } from "../grid/grid.js";
import { offerUndo, showToast } from "../ui/messages.js";

const page = document.querySelector("[data-batch]");
const card = JSON.parse(page.dataset.modelSpec);
const dialog = (name) => document.querySelector(`[data-dialog="${name}"]`);
const desk = lazy(() => import("../batch/desk.js"), ({ makeDesk }) => makeDesk(batch));

const table = makeGrid(page.querySelector("[data-table]"), {
  card,
  most: 5000,
  say: showToast,
  offerUndo,
  stateOf: () => null,
  onTyping: (change) => draft.keepTyping(change),
});
table.drawCell = makeCellDrawer((row) => table.stateOf(row))(table);
table.activate = (column, index) => {
  if (!["references", "status", "actions"].includes(column.kind)) return false;
  desk().then(({ activate }) => activate(column, index));
  return true;
};

const batch = { page, table, card, dialog, run: null, started: null };
const draft = makeDraft(table, {
  onElsewhere: () => desk().then(({ showElsewhere }) => showElsewhere()),
  onTrouble: (trouble) => { page.querySelector("[data-draft-error]").textContent = trouble ? _("草稿没有存下来，正在重试。关闭页面前请先导出表格。") : ""; },
  onLate: (rows) => table.rows.step(_("读出草稿"), () => table.rows.insert(0, rows)),
  extra: () => ({ started: batch.started, imported: batch.report?.imported }),
});
batch.draft = draft;
batch.foot = makeFooter(page.querySelector("[data-footer]"), { table, card });

const lazily = (name) => (...given) => desk().then((jobs) => jobs[name](...given));
useCommands(page, {
  import: () => page.querySelector("[data-file]").click(),
  add: () => {
    table.actions.add();
    table.editor.focus();
  },
  undo: table.undo,
  redo: table.redo,
  duplicate: () => table.actions.duplicate(),
  up: () => table.actions.moveBy(-1),
  down: () => table.actions.moveBy(1),
  remove: () => {
    const count = table.actions.remove();
    table.editor.regain();
    table.tell(_("已删除 {count} 行", { count }));
  },
  "pick-all": () => table.selection.pick(table.rows.all, true),
  "pick-none": () => {
    table.selection.pick(table.rows.all, false);
    table.editor.regain();
  },
  export: lazily("exportTable"),
  "bulk-edit": lazily("setValue"),
  history: lazily("showEarlier"),
  start: lazily("start"),
  "next-problem": lazily("nextProblem"),
});
usePicks(page, table);

const empty = page.querySelector("[data-empty]");
table.rows.watch(() => {
  empty.hidden = table.rows.length > 0 || table.readOnly;
  page.classList.toggle("is-empty", table.rows.length === 0 && !table.readOnly);
});

const id = new URLSearchParams(location.search).get("id");
if (id) {
  desk().then(({ openRun }) => openRun(id));
} else {
  const kept = await draft.load();
  table.rows.reset(kept.rows); // what comes of it may be saved, also when the desk does not come
  batch.started = kept.started ?? null;
  const { restore } = await desk();
  restore(kept);
}
page.dataset.ready = "";

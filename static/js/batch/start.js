// 🚀: the question before a run, with pictures and price.

import { sumOf } from "./costs.js";
import { submitRows, workbookOf } from "./row.js";
import { createTerms } from "../core/dom.js";
import { HttpError } from "../core/http.js";
import { _, formatPrice, language } from "../core/i18n.js";
import { goToNextProblem } from "../grid/grid.js";
import { budgetLeft } from "../ui/status.js";

/** Ask and submit, unless problems are to be solved first; then call onStarted(id, rows). */
export async function openStart(dialog, batch, onStarted) {
  const { table, footer } = batch;
  if (table.readOnly || dialog.open) return undefined;
  table.editor.commit();
  const { rows, problems } = footer.sum();
  if (rows === 0) return table.showProblem(_("表格还是空的，先写一行提示词或导入 Excel"));
  if (problems > 0) return goToNextProblem(table);
  const madeRows = await batch.listMade();
  if (table.readOnly || document.querySelector("dialog[open]")) return undefined;
  return ask(dialog, batch, { madeRows, onStarted });
}

function ask(dialog, { table, model, urls, started }, { madeRows, onStarted }) {
  const part = (name) => dialog.querySelector(`[data-start-${name}]`);
  const [yes, again] = [part("yes"), part("again")];
  const made = new Set(madeRows);
  const madeSum = sumOf(madeRows, model, table.validation);
  let rows = [];
  let sum = null; // of these rows

  // What was made is paid for once more only when it is asked for.
  function choose() {
    const left = budgetLeft();
    const filled = table.rows.all.filter(table.validation.isFilled);
    rows = filled.filter((row) => again.checked || !made.has(row));
    sum = sumOf(rows, model, table.validation);
    const skipped = { made: again.checked ? 0 : made.size, blank: table.rows.length - filled.length };
    part("facts").replaceChildren(...createTerms(summary({ sum, skipped, model, left, started })));
    part("error").textContent = left !== null && sum.price > left ? _("预计费用超过剩余预算：做到预算用完会自动暂停，不会超支。") : "";
    setPosting(false);
  }

  // What is on its way cannot be called back: until it is answered the dialog stays, and nothing is submitted twice.
  function setPosting(isPosting) {
    part("no").disabled = again.disabled = isPosting;
    yes.disabled = isPosting || rows.length === 0;
    yes.textContent = isPosting ? _("正在提交…") : rows.length === 0 ? _("没有要生成的") : _("生成 {n} 张", { n: sum.pictures });
    dialog.oncancel = (event) => { if (isPosting) event.preventDefault(); };
    dialog.onclose = () => { if (isPosting) dialog.showModal(); }; // a second Esc, a press beside it: these cannot be refused
  }

  async function submit() {
    setPosting(true);
    try {
      const id = await submitRows(urls.batches, table, rows, { name: part("name").value.trim(), workbook: workbookOf(rows) });
      setPosting(false);
      dialog.close();
      onStarted(id, rows);
    } catch (failure) {
      setPosting(false);
      if (!(failure instanceof HttpError)) throw failure;
      showFailure(failure);
    }
  }

  function showFailure({ message, problems }) {
    yes.focus();
    part("error").textContent = message;
    if (problems.length === 0) return;
    dialog.close();
    goToNextProblem(table);
  }

  part("made").hidden = made.size === 0;
  part("again-words").textContent = _("已做过或正在做的 {n} 行也再做一次，再付 {sum}", { n: made.size, sum: formatPrice(madeSum.price) });
  again.checked = false;
  again.onchange = choose;
  yes.onclick = submit;
  choose();
  dialog.showModal();
  (yes.disabled ? again : yes).focus();
}

// The lines of the summary, [term, description]; another fact is one more line.
function summary({ sum, skipped, model, left, started }) {
  const startedAt = started && new Date(started.at).toLocaleTimeString(language, { hourCycle: "h23" });
  return [
    [_("图片"), _("{pictures} 张，{rows} 行", { pictures: sum.pictures, rows: sum.rows })],
    [_("模型"), model.label],
    [_("预计费用"), formatPrice(sum.price)],
    skipped.made > 0 && [_("不再做"), _("{n} 行已做过或正在做，不再付费", { n: skipped.made })],
    left !== null && [_("预算还剩"), `¥${left.toFixed(2)}`],
    skipped.blank > 0 && [_("空行"), _("{blank} 行会跳过", { blank: skipped.blank })],
    started && [_("注意"), _("这份表格在 {moment} 已经开始过一次，没有改动", { moment: startedAt })],
  ].filter(Boolean);
}

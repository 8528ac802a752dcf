// 🚀: the question before a run, with pictures and price. What is wrong in the table is shown before it, in desk.js.

import { sumOf } from "./footer.js";
import { postRows } from "./post_rows.js";
import { HttpError } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { budgetLeft } from "../ui/status.js";
import { goToNextProblem } from "../grid/grid.js";

/** Ask and start. sum: from batch/footer.js; made: the rows that were made or are under way; onStarted(id, rows). */
export function confirmStart(dialog, { table, card, url, sum, made, startedBefore, onStarted }) {
  const part = (name) => dialog.querySelector(`[data-start-${name}]`);
  const [yes, again] = [part("yes"), part("again")];
  let rows = [];
  let pictures = 0;
  const madeRows = new Set(made);
  const madeAgain = sumOf(made, card, table.checks);
  part("made").hidden = made.length === 0;
  part("again-words").textContent = _("已做过或正在做的 {n} 行也再做一次，再付 {sum}", { n: made.length, sum: formatPrice(madeAgain.price) });
  again.checked = false;
  again.onchange = choose;
  choose();
  yes.onclick = async () => {
    wait(true);
    try {
      const id = await postRows(url, table, rows, { name: part("name").value.trim() });
      wait(false);
      dialog.close();
      onStarted(id, rows);
    } catch (failure) {
      wait(false);
      if (!(failure instanceof HttpError)) throw failure;
      refuse(failure);
    }
  };
  dialog.showModal();
  (yes.disabled ? again : yes).focus();

  // What was made is paid for once more only when it is asked for.
  function choose() {
    const left = budgetLeft();
    rows = table.rows.all.filter((row) => table.checks.isFilled(row) && (again.checked || !madeRows.has(row)));
    const chosen = sumOf(rows, card, table.checks);
    ({ pictures } = chosen);
    part("facts").replaceChildren(...facts({ chosen, blank: sum.blank, made: again.checked ? 0 : made.length, card, left, startedBefore }));
    part("error").textContent = left !== null && chosen.price > left ? _("预计费用超过剩余预算：做到预算用完会自动暂停，不会超支。") : "";
    wait(false);
  }

  // What is on its way cannot be called back: until it is answered the dialog stays, and nothing is posted twice.
  function wait(posting) {
    part("no").disabled = again.disabled = posting;
    yes.disabled = posting || rows.length === 0;
    yes.textContent = posting ? _("正在提交…") : rows.length === 0 ? _("没有要生成的") : _("生成 {n} 张", { n: pictures });
    dialog.oncancel = (event) => { if (posting) event.preventDefault(); };
    dialog.onclose = () => { if (posting) dialog.showModal(); }; // a second Esc, a press beside it: these cannot be refused
  }

  function refuse(failure) {
    yes.focus();
    part("error").textContent = failure.message;
    if (failure.problems.length === 0) return;
    dialog.close();
    table.onMarked?.();
    goToNextProblem(table);
  }
}

function facts({ chosen, blank, made, card, left, startedBefore }) {
  const lines = [
    [_("图片"), _("{pictures} 张，{rows} 行", { pictures: chosen.pictures, rows: chosen.rows })],
    [_("模型"), card.label],
    [_("预计费用"), formatPrice(chosen.price)],
  ];
  if (made > 0) lines.push([_("不再做"), _("{n} 行已做过或正在做，不再付费", { n: made })]);
  if (left !== null) lines.push([_("预算还剩"), `¥${left.toFixed(2)}`]);
  if (blank > 0) lines.push([_("空行"), _("{blank} 行会跳过", { blank })]);
  if (startedBefore) lines.push([_("注意"), _("这份表格在 {moment} 已经开始过一次，没有改动", { moment: startedBefore })]);
  return lines.flatMap(([term, words]) => {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = term;
    dd.textContent = words;
    return [dt, dd];
  });
}

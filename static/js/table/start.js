// 🚀: the question before a run: what is ordered, what was made already, and the price.

import { REPEATABLE, groupRows, linesOf, orderOf } from "./start_lines.js";
import { makeStartOptions } from "./start_options.js";
import { submitRows, workbookOf } from "./submission.js";
import { durationOf } from "../core/duration.js";
import { HttpError } from "../core/http.js";
import { _, formatSum } from "../core/i18n.js";
import { goToCell, goToNextProblem, markProblems } from "../grid/grid.js";
import { budgetLeft } from "../ui/status.js";

const PATIENCE = 300; // ms until the dialog opens without an answer
let isOpening = false;
let latest = null; // the question that was asked last: no answer to an earlier one is shown

/**
 * Ask and submit, unless problems are to be solved first; then call onStarted(id, rows, rows skipped by the server, whether other
 * rows were not asked for).
 * part: see partial_start.js; without it all rows are submitted.
 */
export function openStart(dialog, batch, onStarted, part = null) {
  const { table, footer } = batch;
  if (table.readOnly || isOpening || document.querySelector("dialog[open]")) return undefined;
  table.editor.commit();
  const { rows: count, problems } = footer.sum();
  if (count === 0) return table.showProblem(_("表格还是空的，先写一行提示词或导入 Excel"));
  const rows = part?.rows() ?? table.rows.all.filter(table.validation.isFilled);
  if (problems > 0 && part && goToProblemOf(table, rows)) return undefined;
  if (problems > 0 && !part) return goToNextProblem(table);
  return ask(dialog, batch, onStarted, { rows, sample: part?.sample ?? 0 });
}

function goToProblemOf(table, rows) {
  const wrong = rows.find((row) => Object.keys(table.validation.problemsOf(row)).length > 0);
  if (wrong) goToCell(table, wrong, Object.keys(table.validation.problemsOf(wrong))[0]);
  return Boolean(wrong);
}

function ask(dialog, batch, onStarted, { rows: asked, sample }) {
  const { table, model, urls } = batch;
  const part = (name) => dialog.querySelector(`[data-start-${name}]`);
  const yes = part("yes");
  const options = makeStartOptions(part, showOrder);
  const isPart = asked.length < table.rows.all.filter(table.validation.isFilled).length;
  const again = new Set(); // kinds of rows to make once more
  const fileName = (batch.imported?.name ?? "").replace(/\.[a-z]{2,4}$/i, "").trim();
  let checked = null; // row -> its part of the answer, see row_check.js
  let order = null; // see start_lines.js
  const question = latest = {};
  const isWanted = () => question === latest && (isOpening || dialog.open);

  // What the server has by now: another tab may have ordered meanwhile.
  async function check() {
    setWaiting(_("正在核对…"));
    part("error").textContent = "";
    try {
      checked = await batch.check.ask(asked);
      if (!isWanted()) return;
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      if (!isWanted()) return;
      checked = null;
      setWaiting(null);
      part("error").textContent = failure.message;
      yes.textContent = _("重新核对");
      yes.disabled = false;
      return;
    }
    setWaiting(null);
    if (!showProblems()) render();
  }

  function showProblems() {
    const problems = asked.flatMap((row) => checked.get(row).problems.map((problem) => ({ row, ...problem })));
    if (problems.length === 0) return false;
    dialog.close();
    markProblems(table, problems);
    goToCell(table, problems[0].row, problems[0].field);
    table.showProblem(problems[0].error);
    return true;
  }

  function render() {
    const groups = groupRows(table, checked);
    const lines = linesOf(groups, checked, model);
    for (const kind of REPEATABLE) if (groups[kind].length === 0) again.delete(kind);
    part("lines").replaceChildren(...lines.map(createLine));
    choose(groups);
  }

  function choose(groups) {
    order = orderOf(table, checked, groups, again, model);
    options.limit(order.rows.length);
    part("hint").textContent = order.rows.length > 0 ? "" : hintOf(groups);
    showOrder();
  }

  // What is made now, and what after the sample was seen.
  function showOrder() {
    const left = budgetLeft();
    const now = portionOf(order, options.sample);
    part("error").textContent = left !== null && now.price > left ? _("预计费用超过剩余预算：做到预算用完会自动暂停，不会超支。") : "";
    part("facts").textContent = factsOf(batch, { asked, now, order, renamed: countRenamed() }).join(" · ");
    setPosting(false);
  }

  // Rows that ask for a file name that is taken.
  function countRenamed() {
    return order.rows.filter((row) => row.filename && checked.get(row).name_taken).length;
  }

  function createLine({ kind, words, pictures, option, ...cost }) {
    const line = part("line").content.firstElementChild.cloneNode(true);
    line.querySelector("[data-words]").textContent = words;
    line.querySelector("[data-pictures]").textContent = pictures > 0 ? _("{n} 张", { n: pictures }) : "";
    line.querySelector("[data-price]").textContent = pictures > 0 ? formatSum(cost) : "¥0";
    line.classList.toggle("is-free", pictures === 0);
    const [label, button] = [line.querySelector("[data-again]"), line.querySelector("[data-restore]")];
    label.hidden = !(option && REPEATABLE.includes(kind));
    button.hidden = !(option && kind === "trashed");
    label.querySelector("[data-option]").textContent = button.textContent = option;
    label.firstElementChild.checked = again.has(kind);
    label.firstElementChild.addEventListener("change", ({ target }) => {
      again[target.checked ? "add" : "delete"](kind);
      choose(groupRows(table, checked));
    });
    button.addEventListener("click", restore);
    return line;
  }

  async function restore() {
    const ids = [...checked.values()].flatMap(({ missing, trashed }) => (missing > 0 ? trashed : []));
    setWaiting(_("正在恢复…"));
    await batch.restore(ids);
    await check();
    yes.focus();
  }

  // The lines stay where they are while something is waited for.
  function setWaiting(words) {
    part("wait").textContent = words ?? "";
    dialog.setAttribute("aria-busy", String(words !== null));
    if (words !== null) setPosting(true, words);
  }

  // What is on its way cannot be called back: until it is answered the dialog stays, and nothing is submitted twice.
  function setPosting(isPosting, words = _("正在提交…")) {
    for (const control of part("lines").querySelectorAll("input, button")) control.disabled = isPosting;
    options.disable(isPosting);
    yes.disabled = isPosting || order.rows.length === 0;
    yes.textContent = isPosting ? words : startWords(order, options.sample);
  }

  function setLocked(isLocked) {
    part("no").disabled = isLocked;
    dialog.oncancel = (event) => { if (isLocked) event.preventDefault(); };
    dialog.onclose = () => { if (isLocked) dialog.showModal(); }; // a second Esc, a press beside it: these cannot be refused
  }

  async function submit() {
    setPosting(true);
    setLocked(true);
    const { rows } = order;
    const name = part("name").value.trim();
    try {
      const { id, skipped } = await submitRows(urls.batches, table, rows, {
        name, uniqueName: name === fileName, workbook: workbookOf(rows), again: order.again, options: options.body,
      });
      setLocked(false);
      if (!id) return await checkAgain();
      dialog.close();
      onStarted(id, rows, skipped, isPart);
    } catch (failure) {
      setLocked(false);
      setPosting(false);
      if (!(failure instanceof HttpError)) throw failure;
      showFailure(failure);
    }
    return undefined;
  }

  async function checkAgain() {
    await check();
    part("hint").textContent = _("刚才在别处已经开始做了，没有再下单。");
  }

  function showFailure({ message, problems }) {
    yes.focus();
    part("error").textContent = message;
    if (problems.length === 0) return;
    dialog.close();
    goToNextProblem(table);
  }

  yes.onclick = () => (checked ? submit() : check());
  setLocked(false);
  options.reset(sample);
  options.limit(asked.length);
  part("lines").replaceChildren();
  part("hint").textContent = part("facts").textContent = "";
  part("name").value = fileName;
  open();

  // An answer that comes soon is there from the start.
  async function open() {
    const answered = check();
    let isAnswered = false;
    isOpening = true;
    answered.then(() => { isAnswered = true; });
    await Promise.race([answered, new Promise((resolve) => { setTimeout(resolve, PATIENCE); })]);
    isOpening = false;
    if (isAnswered && checked && !order) return; // there are problems
    if (document.querySelector("dialog[open]")) return;
    dialog.showModal();
    focusButton();
    await answered;
    if (document.activeElement === part("no")) focusButton();
  }

  function focusButton() {
    (yes.disabled ? part("no") : yes).focus();
  }
}

function startWords(order, sample) {
  if (order.rows.length === 0) return _("没有要做的");
  const { pictures, isExact, ...cost } = portionOf(order, sample);
  const sum = formatSum(cost);
  if (!sample) return _("生成 {n} 张 · {sum}", { n: pictures, sum });
  return isExact || !(cost.price > 0) ? _("先试 {n} 行 · {sum}", { n: sample, sum }) : _("先试 {n} 行 · 约 {sum}", { n: sample, sum });
}

// What is made first: everything, or the rows of a sample, which the server chooses.
function portionOf({ rows, pictures, price, unpriced, isUniform }, sample) {
  if (!sample) return { pictures, price, unpriced, isExact: true };
  const share = sample / rows.length;
  return { pictures: Math.ceil(pictures * share), price: price * share, unpriced: Math.ceil(unpriced * share), isExact: isUniform };
}

// Why there is nothing to do, and what to do then.
function hintOf(groups) {
  if (REPEATABLE.some((kind) => groups[kind].length > 0)) return _("这些行都做过了：改一改要换的那几行，或勾选再做一遍。");
  return groups.unknown.length > 0 ? _("先在「用量」里处理结果未知的，再回来生成。") : _("都在生成了，做完就会出现在表格里。");
}

// What makes the pictures: several models with their numbers.
function modelsOf({ byModel }, model) {
  const counts = [...byModel];
  if (counts.length < 2) return (counts[0]?.[0] ?? model).label;
  return counts.map(([{ label }, n]) => _("{label} {n} 张", { label, n })).join(_("、"));
}

// Models work side by side: the slowest says how long a share of the pictures takes.
function longestOf({ byModel }, share) {
  const parts = [...byModel].map(([of, count]) => ({ of, pictures: Math.ceil(count * share) }));
  const timeOf = ({ of, pictures }) => (of.seconds ? Math.ceil(pictures / of.concurrency) * of.seconds.high : Infinity);
  const slowest = parts.reduce((one, other) => (timeOf(other) > timeOf(one) ? other : one));
  return durationOf(slowest.pictures, slowest.of);
}

function restOf(order, now) {
  return { price: order.price - now.price, unpriced: order.unpriced - now.unpriced };
}

function factsOf({ model, table }, { asked, now, order, renamed }) {
  const left = budgetLeft();
  const filled = table.rows.all.filter(table.validation.isFilled).length;
  const blank = table.rows.length - filled;
  const isSample = now.pictures < order.pictures;
  return [
    modelsOf(order, model),
    order.rows.length > 0 && longestOf(order, now.pictures / order.pictures),
    isSample && (order.price > 0 ? _("其余的看过再做，约 {sum}", { sum: formatSum(restOf(order, now)) }) : _("其余的看过再做")),
    left !== null && _("预算还剩 ¥{sum}", { sum: left.toFixed(2) }),
    renamed > 0 && _("{n} 行的文件名重复，会加上序号", { n: renamed }),
    asked.length < filled && _("另外 {n} 行留在草稿里", { n: filled - asked.length }),
    asked.length === filled && blank > 0 && _("空行 {n} 行会跳过", { n: blank }),
  ].filter(Boolean);
}

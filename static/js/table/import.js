// A file becomes a table, the newest version of one, or further rows of one: it is read, what is not plain is asked once, then it is done.

import { reportOfChange, reportOfNew } from "./import_reports.js";
import { create } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { ask, isAsking, stopAsking } from "../ui/ask.js";

const SHOWN_AFTER = 300; // ms until the dialog says that a file is read

/**
 * What can be done with a file, the likeliest first: [{how: "new", "update" or "add", id: of the table that is changed, label, detail}].
 * match: the table that it is a version of, as the import answers it, or null; open: {id (null: not saved yet), rows, hasRecipe} of the open
 * table, or null; isProducts: without prompts, which only a recipe makes rows of.
 */
export function choicesOf(match, open, isProducts = false) {
  const canAdd = Boolean(open) && (!isProducts || open.hasRecipe);
  const isEmpty = !canAdd || open.rows === 0;
  const fresh = canAdd && open.id && isEmpty ? { how: "add", id: open.id, label: _("放进这个空表格") } : { how: "new", label: _("另建一个表格") };
  const choices = [{ ...fresh, isPrimary: !match }];
  if (match) choices.unshift({ how: "update", isPrimary: true, id: match.id, label: _("更新「{name}」", { name: match.name }), detail: countsOf(match) });
  if (!isEmpty && match?.id !== open.id) choices.push({ how: "add", id: open.id, label: _("接在这个表格的后面") });
  return choices;
}

/** 没有变 350 · 改过 8 · 新的 12 · 少了 1 · 选中 3 */
export function countsOf(counts) {
  const labels = { unchanged: _("没有变"), changed: _("改过"), new: _("新的"), removed: _("少了"), keep: _("选中"), reject: _("不要"), said: _("客户意见") };
  return Object.keys(labels).filter((name) => counts[name] > 0).map((name) => `${labels[name]} ${counts[name].toLocaleString(language)}`).join(" · ");
}

/** How many pictures a file chooses and rejects, and of how many it says something: {keep, reject, said}. */
export function saidOf(marks) {
  const count = (test) => marks.filter(test).length;
  return { keep: count(({ pick }) => pick === "keep"), reject: count(({ pick }) => pick === "reject"), said: count(({ comment }) => comment) };
}

/**
 * urls: {import, tables}; model(): the id for rows that name none; open(): see choicesOf(); prepare() resolves to the id of the open table once
 * all changes of it are saved; done(report): see import_reports.js. Returns takeFile(file).
 */
export function makeImport({ urls, model = () => "", open = () => null, prepare = async () => null, done }) {
  let turn = 0; // a file that is given up says nothing any more

  async function say(question) {
    const choice = await ask({ name: "import", isList: true, ...question });
    if (choice === null) turn += 1;
    return choice;
  }

  function read(fields, sheets) {
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...fields, model: model(), rows: "0", recipe: "1" })) form.append(name, value);
    for (const name of sheets) form.append("sheets", name);
    return requestJson("POST", urls.import, form);
  }

  async function carryOut({ how, id }, file, { imported, sheets }) {
    if (how === "new") {
      const { table } = await requestJson("POST", urls.tables, { workbook: imported.workbook, sheets, model: model() || null });
      return reportOfNew(file.name, imported, table);
    }
    const saved = await prepare();
    const target = id ?? saved;
    const form = new FormData();
    form.append("workbook", imported.workbook);
    form.append("apply", how === "update" ? "1" : "new");
    for (const name of sheets) form.append("sheets", name);
    const answer = await requestJson("POST", `${urls.tables}/${encodeURIComponent(target)}/import`, form);
    const report = reportOfChange(file.name, how, target, answer);
    return { ...report, was: report.was && { ...report.was, ...saidOf(answer.marks) } };
  }

  /** -> {imported: the answer to the import, sheets: the names of those that were read where they were chosen}; null when it is given up. */
  async function readChosen(file, wait) {
    const imported = await read({ file }, []);
    if (imported.sheets.length < 2) return { imported, sheets: [] };
    const sheets = await chooseSheets(say, file.name, imported);
    if (!sheets) return null;
    if (sheets.length === 1 && sheets[0] === imported.sheet) return { imported, sheets };
    wait();
    return { imported: await read({ workbook: imported.workbook }, sheets), sheets };
  }

  return function takeFile(file) {
    const mine = ++turn;
    const wait = () => say({ title: _("正在读取「{name}」…", { name: file.name }), text: _("大的表格要等几秒") });
    const timer = setTimeout(() => { if (mine === turn && !isAsking()) wait(); }, SHOWN_AFTER);
    return attempt(async () => {
      const found = await readChosen(file, wait);
      if (!found || mine !== turn) return;
      const { table: match, marks, products } = found.imported;
      const choices = choicesOf(match && { ...match, ...saidOf(marks) }, open(), products);
      const question = { title: _("「{name}」读到 {n} 行", { name: file.name, n: found.imported.count }), choices };
      const choice = choices.length === 1 ? choices[0] : await say(question);
      if (mine !== turn) return;
      if (isAsking()) wait();
      const report = await carryOut(choice, file, found);
      clearTimeout(timer);
      stopAsking();
      done(report);
    }, (error) => {
      clearTimeout(timer);
      if (mine === turn) say({ title: _("「{name}」没有导入", { name: file.name }), error, close: _("关闭") });
    });
  };
}

/** The names of the sheets that are to be read, null when it is given up. */
async function chooseSheets(say, name, { sheets, sheet }) {
  const content = sheets.map((each) => createSheet(each, each.name === sheet));
  const question = { title: _("「{name}」有 {n} 张工作表", { name, n: sheets.length }), text: _("勾上要导入的，会多一列「工作表」"), content, choices: [{ how: "sheets", label: _("导入选中的"), isPrimary: true }] };
  while (await say(question)) {
    const chosen = content.map((line) => line.querySelector("input")).filter(({ checked }) => checked).map(({ value }) => value);
    if (chosen.length > 0) return chosen;
  }
  return null;
}

/** A sheet of a workbook, {name, rows}, with a checkbox. */
function createSheet({ name, rows }, isChosen) {
  return create("label", {}, create("input", { type: "checkbox", value: name, checked: isChosen }), name, create("span", { className: "hint", textContent: _("{n} 行", { n: rows }) }));
}

// The import's report above the table: what was read, and what of it is corrected or wrong in the table as it is now.

import { _ } from "../core/i18n.js";

const SHOWN = 200;
const SOON = 60;
const SEEN_LENGTH = 60;

/** report: the section; opener: the button that shows and hides it. goTo(row, field) is called for a click;
    chooseReference(row, name) for a name without its image; leave() when what was pressed in it is gone. */
export function makeReport(report, { table, opener, goTo, chooseReference, leave }) {
  const part = (name) => report.querySelector(`[data-report-${name}]`);
  const item = part("item");
  let imported = null; // {name, count, done, notes}, as the draft keeps it
  let lines = new WeakMap(); // row -> its line in the file
  let waiting = 0;
  let drawn = "";

  part("close").addEventListener("click", () => {
    show(false);
    leave();
  });
  opener.addEventListener("click", () => {
    if (report.hidden) draw();
    else show(false);
  });

  function show(shown) {
    report.hidden = !shown;
    opener.setAttribute("aria-expanded", String(shown));
  }

  function say(title) {
    drawn = "";
    if (part("title").textContent !== title) part("title").textContent = title;
    report.classList.remove("is-bad");
    for (const name of ["choices", "notes", "problems", "references", "fixed"]) part(name).hidden = true;
    show(true);
  }

  /** The file could not be read: why. */
  function fail(sentence) {
    say(sentence);
    report.classList.add("is-bad");
  }

  /** Ask where the rows go when there are some already: resolves to "replace" or "append". */
  function ask(existing, title) {
    say(title);
    part("existing").textContent = String(existing);
    part("choices").hidden = false;
    part("choices").querySelector(".is-primary").focus();
    return new Promise((resolve) => {
      part("choices").onclick = (event) => {
        const choice = event.target.closest("[data-import-mode]");
        if (!choice) return;
        leave();
        resolve(choice.dataset.importMode);
      };
    });
  }

  /** found: {name, count, done, notes, lines: Map of row -> line}; from a draft without its lines. */
  function take(found, { shown = true } = {}) {
    const { name, count, done, notes } = found;
    imported = { name, count, done, notes };
    lines = new WeakMap(found.lines ?? []);
    refresh();
    if (shown) draw();
  }

  function refresh() {
    opener.hidden = !imported || table.rows.length === 0 || table.readOnly;
    waiting ||= setTimeout(() => {
      waiting = 0;
      if (imported && !report.hidden && drawn) draw();
    }, SOON);
  }

  function draw() {
    const { wrong, lost, corrected, marked } = findings(table);
    const title = titleOf(imported, marked, corrected.length);
    const now = JSON.stringify([title, [...wrong, ...lost, ...corrected].map(({ row, field, words, cells }) => [row.number, field, words, cells])]);
    if (now === drawn) return show(true);
    say(title);
    drawn = now;
    part("notes").hidden = imported.notes.length === 0;
    part("notes").replaceChildren(...imported.notes.map(makeNote));
    list("problems", _("要改的单元格"), wrong);
    list("references", _("参考图"), lost);
    return list("fixed", _("自动更正"), corrected);
  }

  function list(name, title, found) {
    const holder = part(name);
    holder.hidden = found.length === 0;
    holder.firstElementChild.textContent = `${title} ${found.reduce((sum, { cells = 1 }) => sum + cells, 0)}`;
    holder.lastElementChild.replaceChildren(...found.slice(0, SHOWN).map(makeItem));
    if (found.length > SHOWN) holder.lastElementChild.append(makeNote(_("还有 {n} 处，表格里都标出来了", { n: found.length - SHOWN })));
  }

  function makeItem({ row, field, label, words, name, cells = 1 }) {
    const element = item.content.firstElementChild.cloneNode(true);
    element.querySelector("[data-issue-cell]").textContent = whereIs(row, label, cells);
    element.querySelector("[data-text]").textContent = words;
    element.firstElementChild.addEventListener("click", () => (name ? chooseReference(row, name) : goTo(row, field)));
    return element;
  }

  function whereIs(row, column, cells) {
    const { number } = row;
    if (cells > 1) return _("第 {number} 行等 {n} 行 {column}", { number, n: cells, column });
    const line = lines.get(row) ?? number;
    return line === number ? _("第 {number} 行 {column}", { number, column }) : _("第 {number} 行（文件第 {line} 行）{column}", { number, line, column });
  }

  function forget() {
    imported = null;
    show(false);
    refresh();
  }

  return { say, fail, ask, take, refresh, forget, close: () => show(false), get imported() { return imported; } };
}

// What the table says now: {wrong, lost (references), corrected: [{row, field, label, words, name?, cells?}], marked: number of cells}
function findings({ rows, columns, checks }) {
  const all = { wrong: [], lost: [], corrected: [], marked: 0 };
  const refused = { cells: 0 }; // said once, of all its rows
  for (const row of rows.all) {
    const problems = checks.of(row);
    all.marked += Object.keys(problems).length;
    for (const { field, label, refusal } of columns) {
      if (!field) continue;
      if (refusal && problems[field] === refusal) {
        refused.cells += 1;
        if (refused.cells === 1) all.wrong.push(Object.assign(refused, { row, field, label, words: refusal }));
        continue;
      }
      const names = problems[field] && field === "sample_images" ? row.sample_images.filter(({ url }) => !url) : [];
      all.lost.push(...names.map((image) => ({ row, field, label, name: image.filename, words: lostWords(image) })));
      if (problems[field] && names.length === 0) all.wrong.push({ row, field, label, words: problemWords(problems[field], row[field]) });
      if (checks.correctionOf(row, field)) all.corrected.push({ row, field, label, words: row.marks[field].words ?? checks.correctionOf(row, field) });
    }
  }
  return all;
}

function problemWords(problem, value) {
  const seen = typeof value === "string" && value.length <= SEEN_LENGTH ? value : "";
  return problem + (seen && !problem.includes(seen) ? _("（现在是「{seen}」）", { seen }) : "");
}

function lostWords({ filename, match }) {
  if (match === "unchecked") return _("正在查找示例图「{filename}」…", { filename });
  return match === "ambiguous" ? _("有几张都叫「{asked}」，点这里选择", { asked: filename }) : _("没有找到「{asked}」，点这里选择或上传", { asked: filename });
}

function titleOf({ name, count, done }, marked, corrected) {
  const parts = [_("「{name}」读到 {n} 行", { name, n: count })];
  if (done > 0) parts.push(_("已生成的 {done} 行没有带进来", { done }));
  parts.push(marked > 0 ? _("{marked} 处要改", { marked }) : _("没有问题"));
  if (corrected > 0) parts.push(_("自动更正 {n} 处", { n: corrected }));
  return parts.join(_("，"));
}

function makeNote(text) {
  const note = document.createElement("li");
  note.textContent = text;
  return note;
}

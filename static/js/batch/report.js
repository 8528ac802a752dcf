// The import's report above the table: what was read, mended, and what wants a look; a click goes to the cell.

import { _ } from "../words.js";

const SHOWN = 200;

/** report: the section. goTo(row, field) is called for a click; chooseReference(row, name) for an ambiguous name;
    leave() when what was pressed in it is gone. */
export function makeReport(report, { goTo, chooseReference, leave }) {
  const part = (name) => report.querySelector(`[data-report-${name}]`);
  const item = part("item");

  part("close").addEventListener("click", () => {
    report.hidden = true;
    leave();
  });

  function say(title) {
    part("title").textContent = title;
    report.classList.remove("is-bad");
    for (const name of ["choices", "notes", "problems", "references", "fixed"]) part(name).hidden = true;
    report.hidden = false;
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
        const choice = event.target.closest("[data-place]");
        if (!choice) return;
        leave();
        resolve(choice.dataset.place);
      };
    });
  }

  function show({ name, rows, done, problems, references, notes }) {
    const wrong = problems.filter(({ fixed }) => !fixed);
    const fixed = problems.filter((problem) => problem.fixed);
    const lost = references.filter(({ match }) => match !== "exact");
    const marked = wrong.length + new Set(lost.map(({ line }) => line)).size; // names of one row stand in one cell
    const parts = [_("「{name}」读到 {n} 行", { name, n: rows.length })];
    if (done > 0) parts.push(_("已生成的 {done} 行没有带进来", { done }));
    parts.push(marked > 0 ? _("{marked} 处要改", { marked }) : _("没有问题"));
    if (fixed.length > 0) parts.push(_("自动更正 {n} 处", { n: fixed.length }));
    say(parts.join(_("，")));
    part("notes").hidden = notes.length === 0;
    part("notes").replaceChildren(...notes.map(makeNote));
    list("problems", _("要改的单元格"), wrong, ({ error, seen }) => error + (seen && !error.includes(seen) ? _("（现在是「{seen}」）", { seen }) : ""));
    list("references", _("参考示例图"), lost, ({ name: asked, match }) => (match === "ambiguous" ? _("有几张都叫「{asked}」，点这里选择", { asked }) : _("没有找到「{asked}」，点这里选择或上传", { asked })));
    list("fixed", _("自动更正"), fixed, ({ seen, fixed: taken, error }) => (error && !error.includes(seen) ? _("「{seen}」→「{taken}」 {error}", { seen, taken, error }) : error || _("「{seen}」→「{taken}」", { seen, taken })));
  }

  function list(name, title, found, words) {
    const holder = part(name);
    holder.hidden = found.length === 0;
    holder.firstElementChild.textContent = `${title} ${found.length}`;
    holder.lastElementChild.replaceChildren(...found.slice(0, SHOWN).map((problem) => makeItem(problem, words(problem))));
    if (found.length > SHOWN) holder.lastElementChild.append(makeNote(_("还有 {n} 处，表格里都标出来了", { n: found.length - SHOWN })));
  }

  function makeItem(problem, words) {
    const element = item.content.firstElementChild.cloneNode(true);
    const { line, label, row, field } = problem;
    element.querySelector("[data-where]").textContent = label ? _("文件第 {line} 行 {column}", { line, column: label }) : _("文件第 {line} 行", { line });
    element.querySelector("[data-text]").textContent = words;
    element.firstElementChild.addEventListener("click", () => {
      if (problem.match) chooseReference(row, problem.name);
      else if (row) goTo(row, field);
    });
    return element;
  }

  return { say, fail, ask, show, close: () => { report.hidden = true; } };
}

function makeNote(text) {
  const note = document.createElement("li");
  note.textContent = text;
  return note;
}

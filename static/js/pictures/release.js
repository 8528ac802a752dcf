// The bar below the rows: what the rows that were held back come to, what may be changed for all of them, and their release.

import { HttpError, messageOf, requestJson } from "../core/http.js";
import { _, formatPrice, language } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { budgetLeft } from "../ui/status.js";
import { offerUndo, showToast } from "../ui/toast.js";
import { durationOf } from "../core/duration.js";

const TYPING_PAUSE = 400; // ms without a change until it is checked
const PATIENCE = 300; // ms until it is said that something is waited for
const MAX_PROBLEMS = 5; // shown at once
const FIELDS = ["prefix", "suffix", "aspect_ratio", "resolution"];

/** Show the bar of `page` while rows are held. onSent(isReleased) is called after they were released or cancelled. Returns {update()}. */
export function bindRelease(page, { onSent }) {
  const bar = page.querySelector("[data-release]");
  const head = page.querySelector("[data-pictures-head]");
  const model = JSON.parse(bar.dataset.model);
  const { batchUrl } = page.dataset;
  const part = (name) => bar.querySelector(`[data-release-${name}]`);
  const yes = part("yes");
  let checkedFor = ""; // what the shown sum was asked for
  let timer = 0;
  let isSending = false;
  let pressed = null; // the button that sends
  let hasFailed = false; // what was sent last: its sentence stays when the answer to a check comes after it

  /** The fields that differ from those of the batch. */
  function changes() {
    const given = FIELDS.map((name) => bar.querySelector(`[name="${name}"]`)).filter(({ value, dataset }) => value !== (dataset.before ?? ""));
    return Object.fromEntries(given.map(({ name, value }) => [name, value]));
  }

  /** Shown while rows are held; they are checked when there are more or fewer, or when something else is to be done with them. */
  function update() {
    const isHeld = Number(head.dataset.held) > 0;
    if (bar.hidden === isHeld && bar.contains(document.activeElement)) page.querySelector("h1").focus();
    bar.hidden = !isHeld;
    part("no").hidden = Number(head.dataset.queued) > 0;
    if (!isHeld) part("sum").textContent = checkedFor = "";
    if (isHeld && part("sum").textContent === "") part("sum").textContent = _("其余 {n} 行", { n: Number(head.dataset.heldRows).toLocaleString(language) });
    if (isHeld && !isSending && questionOf() !== checkedFor) check();
  }

  const questionOf = () => JSON.stringify([head.dataset.held, changes()]);

  async function check() {
    clearTimeout(timer);
    const question = checkedFor = questionOf();
    yes.disabled = true;
    const waiting = setTimeout(() => { yes.textContent = _("正在核对…"); }, PATIENCE);
    bar.setAttribute("aria-busy", "true");
    try {
      const answer = await requestJson("POST", `${batchUrl}/release`, { ...changes(), check: true });
      if (question === checkedFor) showChecked(answer);
    } catch (error) {
      if (question === checkedFor) showRefused(error);
    } finally {
      clearTimeout(waiting);
      if (question === checkedFor) bar.setAttribute("aria-busy", "false");
    }
  }

  function showChecked({ rows, pictures, price, skipped, examples }) {
    const left = budgetLeft();
    const sum = price ?? NaN;
    const facts = [
      _("其余 {n} 行", { n: rows.toLocaleString(language) }),
      durationOf(pictures, model),
      skipped.length > 0 && _("{n} 行已经有了，¥0", { n: skipped.length.toLocaleString(language) }),
    ];
    part("sum").textContent = facts.filter(Boolean).join(" · ");
    part("hint").textContent = left !== null && sum > left ? _("预计费用超过剩余预算：做到预算用完会自动暂停，不会超支。") : "";
    showLines("examples", examples.map(({ row, prompt }) => _("第 {row} 行：{text}", { row, text: prompt })));
    if (!hasFailed) showProblems("", []);
    yes.textContent = rows > 0 ? _("放行 · {sum}", { sum: formatPrice(sum) }) : _("没有要做的");
    yes.disabled = rows === 0;
  }

  function showRefused(error) {
    showLines("examples", []);
    showProblems(messageOf(error), error.problems ?? []);
    const isOfWords = error.status === 400; // anything else may have passed
    yes.textContent = isOfWords ? _("放行") : _("重新核对");
    yes.disabled = isOfWords;
    if (!isOfWords) checkedFor = "";
    if (error.problems?.length > 0) bar.classList.add("is-open");
  }

  function showProblems(sentence, problems) {
    const more = problems.length - MAX_PROBLEMS;
    const lines = problems.slice(0, MAX_PROBLEMS).map(({ row, error }) => _("第 {row} 行：{text}", { row, text: error }));
    part("error").textContent = problems.length > 0 ? _("{n} 处要改，还没有放行", { n: problems.length }) : sentence;
    showLines("problems", more > 0 ? [...lines, _("还有 {n} 处", { n: more })] : lines);
  }

  function showLines(name, lines) {
    part(name).hidden = lines.length === 0;
    part(name).querySelector("ul").replaceChildren(...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
  }

  async function release() {
    setSending(true);
    try {
      const { released } = await postOnce(`${batchUrl}/release`, changes());
      setOpen(false);
      showToast(_("已放行 {n} 张", { n: released.toLocaleString(language) }), { label: _("暂停"), run: pause });
      sent(true);
      checkedFor = "";
    } catch (error) {
      showFailure(error);
    }
    setSending(false);
  }

  async function pause() {
    await requestJson("POST", `${batchUrl}/pause`);
    showToast(_("已暂停：正在生成的会做完，不再开始新的"));
    sent(false);
  }

  // What was held costs nothing: cancelling it can be undone, and then it is held again.
  async function cancel() {
    setSending(true);
    try {
      const { cancelled, undo, was_paused: paused } = await requestJson("POST", `${batchUrl}/cancel`);
      offerUndo(_("已取消其余 {n} 张，没有计费", { n: cancelled.toLocaleString(language) }), async () => {
        await requestJson("POST", `${batchUrl}/uncancel`, { records: undo, paused });
        sent(true);
      }, { whileShown: true });
      sent(true);
      checkedFor = "";
    } catch (error) {
      showFailure(error);
    }
    setSending(false);
  }

  function showFailure(error) {
    if (!(error instanceof HttpError)) throw error;
    hasFailed = true;
    showProblems(error.message, error.problems);
    if (error.status === 409) onSent(false); // they may have been released or cancelled elsewhere
  }

  function sent(isReleased) {
    document.dispatchEvent(new Event("poll-now"));
    onSent(isReleased);
  }

  function setSending(is) {
    isSending = is;
    if (is) [pressed, hasFailed] = [document.activeElement, false];
    for (const control of bar.querySelectorAll("button, textarea, select")) control.disabled = is;
    if (!is && document.activeElement === document.body) pressed.focus();
  }

  function setOpen(isOpen) {
    bar.classList.toggle("is-open", isOpen);
    part("fields").hidden = !isOpen;
    part("change").setAttribute("aria-expanded", String(isOpen));
  }

  bar.addEventListener("input", () => {
    clearTimeout(timer);
    hasFailed = false;
    yes.disabled = true;
    checkedFor = ""; // words that are changed back are checked too: only an answer enables the button
    timer = setTimeout(update, TYPING_PAUSE);
  });
  part("change").addEventListener("click", () => {
    setOpen(part("fields").hidden);
    if (!part("fields").hidden) part("fields").querySelector("textarea").focus();
  });
  part("no").addEventListener("click", cancel);
  yes.addEventListener("click", () => (checkedFor === questionOf() ? release() : check()));
  update();
  return { update };
}

// 换个模型再做一遍: the rows of a batch are ordered from another model, after what that comes to was shown.

import { HttpError, messageOf, requestJson } from "../core/http.js";
import { _, formatPrice, language } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { budgetLeft } from "../ui/status.js";
import { addUp } from "./costs.js";

const MAX_PROBLEMS = 5; // shown at once

let asked = 0; // the number of checks, of whichever batch: the dialog shows only the answer to the last one

/** The names of the models of a batch, in short. */
export const modelsOf = ({ models }) => models.map(({ label }) => label).join(" + ");

/** What a batch cost so far, in words; only a part of it where the price of some models is not known. */
export function costWords({ cost, models }) {
  const { price } = addUp(models.map(({ total, cost: ofModel }) => ({ count: total, price: ofModel })));
  return cost === null && price > 0 ? _("{sum}，另有图片价格未设", { sum: formatPrice(price) }) : formatPrice(cost);
}

function adviceOn(problems) {
  const n = problems.length;
  if (problems.some(({ field }) => field === "resolution")) return _("{n} 处做不了，请换个模型或分辨率", { n });
  return _("{n} 处做不了，请换个模型，或复制为新草稿后改这几行", { n });
}

/** Ask and order; then both batches are shown side by side. urls: {batches, page}; batch: its JSON; name: what it is called. */
export function openCopy(urls, batch, name) {
  const dialog = document.querySelector('[data-dialog="copy"]');
  const part = (which) => dialog.querySelector(`[data-copy-${which}]`);
  const [model, resolution, again, yes] = ["model", "resolution", "again", "yes"].map(part);
  const url = `${urls.batches}/${encodeURIComponent(batch.id)}/copy`;
  const used = new Set(batch.models.map((one) => one.model));

  const order = () => ({
    model: model.value,
    ...(resolution.value && { resolution: resolution.value }),
    repeats: again.checked ? "again" : "skip",
  });

  async function check() {
    asked += 1;
    const turn = asked;
    setBusy(true, _("正在核对…"));
    part("error").textContent = "";
    try {
      const answer = await requestJson("POST", url, { ...order(), check: true });
      if (turn === asked) show(answer);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      if (turn === asked) showFailure(error);
    }
  }

  function show({ rows, pictures, price, problems, skipped }) {
    const count = (n) => n.toLocaleString(language);
    const left = budgetLeft();
    again.parentElement.hidden = skipped.length === 0 && !again.checked;
    resolution.parentElement.hidden = !resolution.value && !problems.some(({ field }) => field === "resolution");
    const facts = [
      (pictures > 0 || skipped.length === 0) && _("{rows} 行，{n} 张", { rows: count(rows), n: count(pictures) }),
      skipped.length > 0 && _("{n} 行已经有了，¥0", { n: count(skipped.length) }),
    ];
    part("sum").textContent = problems.length > 0 ? "" : facts.filter(Boolean).join(" · ");
    showProblems(problems);
    if (problems.length > 0) part("error").textContent = adviceOn(problems);
    else if (left !== null && price > left) part("error").textContent = _("预计费用超过剩余预算：做到预算用完会自动暂停，不会超支。");
    const sum = problems.length > 0 ? "—" : formatPrice(price ?? NaN);
    setBusy(false, pictures > 0 || problems.length > 0 ? _("做一遍 · {sum}", { sum }) : _("没有要做的"));
    yes.disabled = pictures === 0 || problems.length > 0;
  }

  function showProblems(problems) {
    const lines = problems.slice(0, MAX_PROBLEMS).map(({ row, error }) => _("第 {row} 行：{text}", { row, text: error }));
    const more = problems.length - MAX_PROBLEMS;
    const items = (more > 0 ? [...lines, _("还有 {n} 处", { n: more })] : lines).map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    });
    part("problems").hidden = items.length === 0;
    part("problems").replaceChildren(...items);
  }

  function showFailure(error) {
    showProblems(error.problems ?? []);
    part("sum").textContent = "";
    part("error").textContent = messageOf(error);
    setBusy(false, _("重新核对"));
    yes.onclick = check;
  }

  function setBusy(is, words) {
    dialog.setAttribute("aria-busy", String(is));
    for (const control of [model, resolution, again]) control.disabled = is && yes.dataset.posting === "yes";
    yes.disabled = is;
    yes.textContent = words;
    yes.onclick = post;
  }

  // What is on its way cannot be called back: until it is answered the dialog stays.
  function setPosting(is) {
    yes.dataset.posting = is ? "yes" : "";
    part("no").disabled = is;
    dialog.oncancel = (event) => { if (is) event.preventDefault(); };
    dialog.onclose = () => { if (is) dialog.showModal(); };
  }

  async function post() {
    setPosting(true);
    setBusy(true, _("正在提交…"));
    try {
      const { batch_id: id } = await postOnce(url, order());
      setPosting(false);
      if (!id) return await check(); // ordered elsewhere meanwhile
      dialog.close();
      location.assign(`${urls.page}/pictures?${new URLSearchParams({ id: batch.id, with: id })}`);
    } catch (error) {
      setPosting(false);
      if (!(error instanceof HttpError)) throw error;
      showFailure(error);
    }
    return undefined;
  }

  function showResolutions() {
    const names = JSON.parse(dialog.dataset.resolutions)[model.value];
    resolution.replaceChildren(new Option(_("和原来一样"), ""), ...names.map((one) => new Option(one)));
  }

  model.value = ([...model.options].find(({ value, disabled }) => !disabled && !used.has(value)) ?? model.options[0]).value;
  model.onchange = () => {
    showResolutions();
    check();
  };
  resolution.onchange = check;
  again.onchange = check;
  again.checked = false;
  part("origin").textContent = _("{name} · 原来用 {models}", { name, models: modelsOf(batch) });
  part("sum").textContent = "";
  showProblems([]);
  setPosting(false);
  showResolutions();
  dialog.showModal();
  model.focus();
  check();
}

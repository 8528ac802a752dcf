// Earlier batches, newest first, in a panel at the side, a page at a time.

import { batchName, parseTime } from "./batch_name.js";
import { costWords, modelsOf, openCopy } from "./copy_dialog.js";
import { showOwnResults } from "./own_results.js";
import { requeuedMessage, skippedMessage } from "./row_states.js";
import { attempt } from "../core/attempt.js";
import { requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { showToast } from "../ui/toast.js";

const LABELS = { queued: _("等待中"), running: _("生成中"), paused: _("已暂停"), finished: _("已完成"), cancelled: _("已取消") };
const DATE = { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** Open the panel and fill it. urls: see pages/batch.js. */
export async function openHistory(dialog, urls) {
  const list = dialog.querySelector("[data-history]");
  const status = dialog.querySelector("[data-history-status]");
  const more = dialog.querySelector("[data-history-more]");
  const template = dialog.querySelector("[data-history-item]").content.firstElementChild;
  const listed = new Set(); // ids
  let offset = 0;
  dialog.showModal();
  more.onclick = load;
  await load();

  // What was started meanwhile pushes the rest down: what is listed already is not listed twice.
  async function load() {
    more.disabled = true;
    status.textContent = _("正在读取…");
    await attempt(async () => {
      const { batches, total } = await requestJson("GET", `${urls.batches}?source=batch&offset=${offset}`);
      const items = batches.filter(({ id }) => !listed.has(id)).map(createItem);
      list[offset === 0 ? "replaceChildren" : "append"](...items);
      if (offset > 0) items[0]?.querySelector("a").focus();
      for (const { id } of batches) listed.add(id);
      offset += batches.length;
      more.hidden = offset >= total;
      status.textContent = total === 0 ? _("还没有批次。开始一次批量生成以后，会在这里看到它。") : more.hidden ? ""
        : _("共 {total} 个批次，这里是最近的 {n} 个。", { total, n: list.childElementCount });
    }, (message) => { status.textContent = _("{message}（加载失败）", { message }); });
    more.disabled = false;
  }

  function createItem(batch) {
    const item = template.cloneNode(true);
    const part = (name) => item.querySelector(`[data-${name}]`);
    part("name").textContent = batchName(batch);
    part("name").href = urls.batchPage(batch.id);
    part("state").textContent = LABELS[batch.status];
    part("state").classList.toggle("is-accent", batch.status === "running");
    part("state").classList.toggle("is-warn", batch.status === "paused");
    part("progress").value = batch.total ? batch.counts.success / batch.total : 0;
    part("figures").textContent = figuresOf(batch);
    part("results").href = `${urls.batches}/${batch.id}/results.xlsx`;
    showOwnResults(part("own-results"), part("results").href, batch.workbook);
    part("retry").hidden = batch.retryable === 0;
    part("retry").textContent = _("重试失败的 {n} 张", { n: batch.retryable });
    part("retry").addEventListener("click", () => retry(batch, part("retry")));
    part("copy")?.addEventListener("click", () => {
      dialog.close();
      openCopy(urls, batch, batchName(batch));
    });
    return item;
  }

  async function retry({ id }, button) {
    button.disabled = true;
    await attempt(async () => {
      const { retried, batch, skipped } = await postOnce(`${urls.batches}/${id}/retry`, { repeats: "skip" });
      if (retried > 0 || skipped.length === 0) showToast(requeuedMessage(retried, batch));
      if (skipped.length > 0) showToast(skippedMessage(skipped.length));
      button.hidden = true;
    }, (sentence) => {
      status.textContent = sentence;
      button.disabled = false;
    });
  }
}

function figuresOf(batch) {
  const { counts: { success, failed, unknown }, total, cost, created_at: at } = batch;
  return [
    new Date(parseTime(at)).toLocaleString(language, DATE),
    _("完成 {success} / {total}", { success, total }),
    failed > 0 && _("失败 {failed}", { failed }),
    unknown > 0 && _("结果未知 {unknown}", { unknown }),
    cost !== 0 && costWords(batch),
    modelsOf(batch),
  ].filter(Boolean).join(" · ");
}

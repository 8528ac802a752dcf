// Earlier batches, newest first, in a panel at the side, a page at a time.

import { batchName, requeuedMessage, parseTime } from "./row_states.js";
import { requestJson } from "../core/http.js";
import { _, language, formatPrice } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";

const STATES = { queued: _("排队中"), running: _("生成中"), paused: _("已暂停"), finished: _("已完成"), cancelled: _("已取消") };

/** Open the panel and fill it from the API. */
export async function openHistory(dialog, { url, pageUrl, say }) {
  const list = dialog.querySelector("[data-history]");
  const word = dialog.querySelector("[data-history-status]");
  const more = dialog.querySelector("[data-history-more]");
  let seen = new Set();
  let offset = 0;
  dialog.showModal();
  more.onclick = load;
  await load();

  // What was started meanwhile pushes the rest down: what is there already is not shown twice.
  async function load() {
    more.disabled = true;
    word.textContent = _("正在读取…");
    try {
      const { batches, total } = await requestJson("GET", `${url}?source=batch&offset=${offset}`);
      const items = batches.filter(({ id }) => !seen.has(id)).map(makeItem);
      list[offset === 0 ? "replaceChildren" : "append"](...items);
      if (offset > 0) items[0]?.querySelector("a").focus();
      seen = new Set([...seen, ...batches.map(({ id }) => id)]);
      offset += batches.length;
      more.hidden = offset >= total;
      word.textContent = total === 0 ? _("还没有批次。开始一次批量生成以后，会在这里看到它。") : more.hidden ? ""
        : _("共 {total} 个批次，这里是最近的 {n} 个。", { total, n: list.childElementCount });
    } catch (failure) {
      word.textContent = _("{message}（加载失败）", { message: failure.message });
    }
    more.disabled = false;
  }

  function makeItem(batch) {
    const { id, status, total, counts, cost, created_at: at } = batch;
    const item = dialog.querySelector("[data-history-item]").content.firstElementChild.cloneNode(true);
    const part = (key) => item.querySelector(`[data-${key}]`);
    part("name").textContent = batchName(batch);
    part("name").href = `${pageUrl}?id=${encodeURIComponent(id)}`;
    part("state").textContent = STATES[status];
    part("state").classList.toggle("is-accent", status === "running");
    part("state").classList.toggle("is-warn", status === "paused");
    part("progress").value = total ? counts.success / total : 0;
    part("figures").textContent = [
      new Date(parseTime(at)).toLocaleString(language, { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
      _("完成 {success} / {total}", { success: counts.success, total }), counts.failed > 0 && _("失败 {failed}", { failed: counts.failed }),
      counts.unknown > 0 && _("结果未知 {unknown}", { unknown: counts.unknown }), cost !== 0 && formatPrice(cost),
    ].filter(Boolean).join(" · ");
    part("results").href = `${url}/${id}/results.xlsx`;
    part("retry").hidden = batch.retryable === 0;
    part("retry").textContent = _("重试失败的 {n} 张", { n: batch.retryable });
    part("retry").addEventListener("click", () => retry(batch, part("retry")));
    return item;
  }

  async function retry({ id }, button) {
    button.disabled = true;
    try {
      const answer = await postOnce(`${url}/${id}/retry`);
      say(requeuedMessage(_("{n} 张已重新排队", { n: answer.retried }), answer.batch));
      button.hidden = true;
    } catch (failure) {
      word.textContent = failure.message;
      button.disabled = false;
    }
  }
}

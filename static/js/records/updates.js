// What changes on the server while the list is open: offers to load new results, and shows the progress of the prompt index.

import { requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";

const MIN_INTERVAL_MS = 4000; // between two counts of the results
const INDEX_POLL_MS = 2000;

/** Offer to reload the list when it has become longer or shorter. */
export function offerNewResults(page, search) {
  let lastCount = 0;

  async function count() {
    const { filter, total } = search.list().dataset;
    if (Date.now() - lastCount < MIN_INTERVAL_MS || document.hidden) return;
    lastCount = Date.now();
    const query = new URLSearchParams({ ...JSON.parse(filter), limit: 1 });
    const answer = await requestJson("GET", `${page.dataset.listUrl}?${query}`).catch(() => null);
    render(answer ? answer.total - total : 0);
  }

  function render(more) {
    const button = page.querySelector("[data-new-results]");
    button.hidden = more === 0;
    button.textContent = more > 0 ? _("有 {more} 条新的，刷新", { more }) : _("列表有变化，刷新");
    button.onclick = async () => {
      if (await search.reload()) search.focusTotal(); // the button is gone
    };
  }

  document.addEventListener("status", ({ detail: { version } }) => {
    if (version !== Number(search.list().dataset.version)) count();
  });
}

/** Update the notice about the index of prompts until it is complete. */
export function showIndexProgress(page) {
  const notice = () => page.querySelector("[data-indexing]");
  if (!notice()) return;

  const timer = setInterval(async () => {
    if (document.hidden || !notice()) return;
    const { index } = await requestJson("GET", page.dataset.facetsUrl).catch(() => ({}));
    if (!index || !notice()) return;
    if (index.done < index.total) return renderProgress(notice(), index);
    notice().remove();
    clearInterval(timer);
  }, INDEX_POLL_MS);
}

function renderProgress(notice, { done, total }) {
  notice.querySelector("[data-indexing-label]").textContent = _(
    "正在建立搜索索引：{done} / {total}。现在也能搜，结果完整，只是慢一些。",
    { done: done.toLocaleString(language), total: total.toLocaleString(language) },
  );
  Object.assign(notice.querySelector("progress"), { max: total, value: done });
}

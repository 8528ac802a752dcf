// While the index of prompts is being built, look again now and then how far it is.

import { call } from "../api.js";
import { _, language } from "../words.js";

const PAUSE = 2000;

export function indexing(page) {
  const notice = () => page.querySelector("[data-indexing]");

  async function look() {
    if (!notice() || document.hidden) return;
    const { index } = await call("GET", page.dataset.kindsUrl).catch(() => ({}));
    if (!index || !notice()) return;
    if (index.done >= index.total) notice().remove();
    else show(notice(), index);
  }

  setInterval(look, PAUSE);
}

function show(notice, { done, total }) {
  notice.querySelector("[data-indexing-words]").textContent = _(
    "正在为提示词建立索引：{done} / {total}。现在也能搜，结果完整，只是慢一些。",
    { done: done.toLocaleString(language), total: total.toLocaleString(language) },
  );
  Object.assign(notice.querySelector("progress"), { max: total, value: done });
}

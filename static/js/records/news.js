// Something changed in the house: when the list has become longer or shorter, it says so and offers to look.

import { call } from "../api.js";
import { _ } from "../words.js";

const REST = 4000;
let last = 0;

export async function news(page, finder) {
  const { filter, total } = finder.list().dataset;
  if (Date.now() - last < REST || document.hidden) return;
  last = Date.now();
  const query = new URLSearchParams({ ...JSON.parse(filter), limit: 1 });
  const answer = await call("GET", `${page.dataset.listUrl}?${query}`).catch(() => null);
  const button = page.querySelector("[data-news]");
  const more = answer ? answer.total - total : 0;
  button.hidden = more === 0;
  button.textContent = more > 0 ? _("有 {more} 条新的，刷新", { more }) : _("列表有变化，刷新");
  button.onclick = async () => {
    if (await finder.reload()) finder.found.querySelector("[data-total-words]").focus(); // the button is gone
  };
}

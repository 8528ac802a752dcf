// One file and its line on the page: how far it has come, then what is the matter with it, if anything.

import { _ } from "../words.js";

/** -> {file, row, state, sent: 0..1, stop}; state: waiting, coming, then done, noted or failed. `stop` cancels it. */
export function makeItem(place, file) {
  const row = place.querySelector("[data-upload-row]").content.firstElementChild.cloneNode(true);
  row.querySelector(".upload-name").textContent = row.querySelector(".upload-name").title = file.name;
  row.querySelector("progress").setAttribute("aria-label", _("上传 {name}", { name: file.name }));
  row.querySelector("[data-retry]").setAttribute("aria-label", _("重试 {name}", { name: file.name }));
  row.querySelector("[data-leave]").setAttribute("aria-label", _("取消 {name}", { name: file.name }));
  return { file, row, state: "waiting", sent: 0, stop: new AbortController() };
}

export function tell({ row }, word) {
  row.querySelector(".upload-word").textContent = row.querySelector(".upload-word").title = word;
}

/** It is over; the word stays until it is closed. */
export function stay(item, word) {
  tell(item, word);
  item.row.querySelector("progress").hidden = true;
  item.row.querySelector("[data-leave]").setAttribute("aria-label", _("关闭 {name}", { name: item.file.name }));
}

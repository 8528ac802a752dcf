// Many files into the library: chosen, dropped or pasted; three at a time, each with its own progress.

import { Failure, upload } from "../api.js";
import { announce, toast } from "../messages.js";
import { _ } from "../words.js";

const AT_ONCE = 3;

export function uploads(library, shown) {
  const list = library.querySelector("[data-uploads]");
  const template = library.querySelector("[data-upload-row]");
  const queue = [];
  let under_way = 0;
  let done = 0;

  function add(files) {
    for (const file of files) {
      const row = template.content.firstElementChild.cloneNode(true);
      row.querySelector(".upload-name").textContent = file.name;
      row.querySelector("progress").setAttribute("aria-label", _("上传 {name}", { name: file.name }));
      list.append(row);
      queue.push({ file, row });
    }
    if (files.length > 1) announce(_("开始上传 {n} 个文件", { n: files.length }));
    while (under_way < AT_ONCE && queue.length) next();
  }

  async function next() {
    const { file, row } = queue.shift();
    const progress = row.querySelector("progress");
    under_way += 1;
    try {
      const { images } = await upload(library.dataset.uploadUrl, file, (share) => {
        progress.value = share;
        if (share === 1) row.querySelector(".upload-word").textContent = _("正在检查和保存…");
      });
      await settle(row, images[0]);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      fail(row, failure.message);
    }
    under_way -= 1;
    if (queue.length) next();
    else if (!under_way) end();
  }

  async function settle(row, image) {
    const known = shown.find(image.key);
    const sample = await shown.bring(image.key);
    if (known) {
      row.querySelector(".upload-word").textContent = _("库里已有同一张图：{filename}", { filename: image.filename });
      finish(row);
      sample.classList.add("is-pointed-at");
      return;
    }
    sample.classList.add("is-new");
    done += 1;
    row.remove();
  }

  function fail(row, sentence) {
    row.classList.add("is-bad");
    row.querySelector(".upload-word").textContent = sentence;
    announce(_("{name}：{message}", { name: row.querySelector(".upload-name").textContent, message: sentence }));
    finish(row);
  }

  function finish(row) {
    row.querySelector("progress").hidden = true;
    row.querySelector("[data-dismiss]").hidden = false;
  }

  function end() {
    if (done) toast(_("已加入 {done} 张示例图", { done }));
    done = 0;
  }

  list.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".upload").remove());
  library.querySelector("[data-files]").addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) add([...event.clipboardData.files]);
  });
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    library.classList.add("is-dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) library.classList.remove("is-dropping");
  });
  document.addEventListener("drop", (event) => {
    library.classList.remove("is-dropping");
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    add([...event.dataTransfer.files]);
  });
  window.addEventListener("beforeunload", (event) => {
    if (under_way) event.preventDefault();
  });
}

// Choose reference images in order: search, upload in place, keyboard. Templates: _reference_picker.html.

import { call, Failure, upload as send } from "./api.js";
import { _ } from "./words.js";

const PART = 200;
const LOOK_AGAIN = 2000;

/** Open the dialog; resolves to the chosen [{url, filename, thumbnail_url}] in order, or null when left. */
export function openReferencePicker(dialog, { chosen = [], most = 4, search = "" } = {}) {
  const part = (name) => dialog.querySelector(`[data-picker-${name}]`);
  const picked = [...chosen];
  const stop = new AbortController();
  const on = (element, kind, listener) => element.addEventListener(kind, listener, { signal: stop.signal });
  let images = [];
  let total = 0;
  let asked = 0;
  let coming = false;
  let again = 0;
  let answer = null;

  function ask(words, offset = 0) {
    return call("GET", `${dialog.dataset.url}?${new URLSearchParams({ search: words, limit: PART, offset })}`);
  }

  async function look({ quietly = false } = {}) {
    clearTimeout(again);
    const mine = asked += 1;
    const words = part("search").value.trim();
    if (!quietly) say({ word: _("正在读取…") });
    try {
      const found = await ask(words);
      if (mine !== asked) return;
      if (found.stale) again = setTimeout(() => look({ quietly: true }), LOOK_AGAIN);
      if (quietly && (found.stale || isShown(found))) return;
      ({ images, total } = found);
      drawImages(words, found);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      if (mine !== asked) return;
      if (images.length === 0) say(failure.status === 503 ? { word: failure.message } : { error: failure.message });
      again = setTimeout(() => look({ quietly: true }), LOOK_AGAIN);
    }
  }

  /** Whether a fresh list shows what is there already, and nothing is the matter. */
  function isShown(found) {
    const urls = (list) => list.map(({ url }) => url).join(" ");
    return !part("error").textContent && found.total === total && urls(images.slice(0, found.images.length)) === urls(found.images);
  }

  function say({ error = "", word = "" }) {
    part("error").textContent = error;
    part("word").textContent = word;
  }

  /** The next ones, when the end of those that are shown comes near. */
  async function more() {
    const box = part("images");
    if (coming || images.length >= total || box.scrollTop + box.clientHeight < box.scrollHeight - 800) return;
    coming = true;
    const mine = asked;
    try {
      const { images: next } = await ask(part("search").value.trim(), images.length);
      if (mine === asked) {
        images.push(...next);
        box.append(...next.map((image) => makeImage(part("image"), image)));
        drawChosen();
      }
    } catch (failure) {
      part("error").textContent = failure.message;
    }
    coming = false;
  }

  function drawImages(words, { trouble, stale }) {
    part("images").replaceChildren(...images.map((image) => makeImage(part("image"), image)));
    part("images").scrollTop = 0;
    const older = stale ? _("；这是较早的列表") : "";
    const word = images.length > 0 ? _("{total} 张，最多选 {most} 张", { total, most }) + older
      : words ? _("没有文件名含「{words}」的示例图，可以换个词或上传", { words }) : _("示例图库还是空的，可以把图片拖到这里或上传");
    say({ error: trouble ? trouble + older : "", word });
    if (part("images").firstElementChild) part("images").firstElementChild.tabIndex = 0;
    drawChosen();
  }

  function drawChosen() {
    [...part("images").children].forEach((element, index) => {
      const order = picked.findIndex(({ url }) => url === images[index].url);
      element.setAttribute("aria-selected", String(order >= 0));
      element.querySelector(".picker-order").textContent = order >= 0 ? String(order + 1) : "";
    });
    part("chosen").replaceChildren(...picked.map(makeChosen));
    part("none").hidden = picked.length === 0;
  }

  function makeChosen(image, index) {
    const place = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "picker-chosen-image";
    button.setAttribute("aria-label", _("移除第 {number} 张：{filename}", { number: index + 1, filename: image.filename }));
    button.title = _("{filename}（点一下移除）", { filename: image.filename });
    button.append(thumbnail(image));
    button.addEventListener("click", () => toggle(image));
    place.append(button);
    return place;
  }

  function toggle(image) {
    const at = picked.findIndex(({ url }) => url === image.url);
    part("error").textContent = "";
    if (at >= 0) picked.splice(at, 1);
    else if (picked.length < most) picked.push({ url: image.url, filename: image.filename, thumbnail_url: image.thumbnail_url });
    else part("error").textContent = _("最多选 {most} 张，先点掉一张", { most });
    drawChosen();
  }

  async function upload(files) {
    const failures = [];
    for (const [index, file] of files.entries()) {
      say({ word: _("正在上传第 {number} 张，共 {n} 张…", { number: index + 1, n: files.length }) });
      try {
        const { images: [image] } = await send(dialog.dataset.url, file, () => {});
        if (picked.length < most && !picked.some(({ url }) => url === image.url)) toggle(image);
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        failures.push(_("{name}：{message}", { name: file.name, message: failure.message }));
      }
      if (stop.signal.aborted) return;
    }
    if (failures.length < files.length) {
      part("search").value = "";
      await look();
    }
    if (failures.length) say({ error: failures.join(_("；")), word: part("word").textContent });
  }

  function move(event) {
    const all = [...part("images").children];
    const at = all.indexOf(document.activeElement);
    const across = Math.max(all.findIndex(({ offsetTop }) => offsetTop !== all[0].offsetTop), 1);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    if (at < 0 || !step) return;
    event.preventDefault();
    all[Math.max(0, Math.min(at + step, all.length - 1))].focus();
  }

  return new Promise((resolve) => {
    let typing = 0;
    on(part("search"), "input", () => {
      clearTimeout(typing);
      typing = setTimeout(look, 200);
    });
    on(part("images"), "click", (event) => {
      const at = [...part("images").children].indexOf(event.target.closest("[role=option]"));
      if (at >= 0) toggle(images[at]);
    });
    on(part("images"), "keydown", move);
    on(part("images"), "scroll", more);
    part("images").addEventListener("error", ({ target }) => {
      target.parentElement.dataset.broken = _("加载失败");
    }, { capture: true, signal: stop.signal });
    on(part("upload"), "click", () => part("file").click());
    on(part("file"), "change", () => {
      const files = [...part("file").files];
      part("file").value = "";
      upload(files);
    });
    on(dialog, "dragover", (event) => event.preventDefault());
    on(dialog, "drop", (event) => {
      event.preventDefault();
      upload([...event.dataTransfer.files]);
    });
    on(dialog, "paste", (event) => upload([...event.clipboardData.files]));
    on(part("none"), "click", () => {
      picked.length = 0;
      drawChosen();
    });
    on(part("yes"), "click", () => {
      answer = picked;
      dialog.close();
    });
    on(dialog, "keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) part("yes").click();
    });
    on(dialog, "close", () => {
      stop.abort();
      asked += 1;
      clearTimeout(again);
      resolve(answer);
    });
    part("search").value = search;
    part("images").replaceChildren();
    drawChosen();
    dialog.showModal();
    if (matchMedia("(hover: hover)").matches) part("search").focus(); // on a phone that would bring up its keyboard
    look();
  });
}

function makeImage(template, image) {
  const element = template.content.firstElementChild.cloneNode(true);
  element.querySelector("img").src = image.thumbnail_url || image.url;
  element.querySelector(".picker-name").textContent = image.filename;
  element.title = image.filename;
  element.setAttribute("aria-label", image.filename);
  return element;
}

function thumbnail({ thumbnail_url: small, url }) {
  const picture = document.createElement("img");
  picture.src = small || url;
  picture.alt = "";
  return picture;
}

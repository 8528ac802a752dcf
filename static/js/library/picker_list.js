// The library in the picker: searched, more of it as one scrolls, kept true while OSS or another tab changes it.

import { reconcileChildren } from "../core/dom.js";
import { HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { isComposing } from "../core/keyboard.js";
import { imageFallback } from "../ui/image_fallback.js";

const PART = 200;
const SOON = 2000; // while the list is an older one, or none could be had
const CALM = 20_000;

/** -> {look()}: what the search finds, from the top. */
export function makePickerList({ dialog, part, on, url, most, signal }, choice) {
  const box = part("images");
  const broken = imageFallback(dialog, { signal });
  const words = () => part("search").value.trim();
  let total = 0;
  let asked = 0;
  let coming = false;
  let timer = 0;

  /** What the house says; `images` is missing when it has no list, or cannot be reached. */
  async function ask(limit, offset = 0) {
    try {
      return await requestJson("GET", `${url}?${new URLSearchParams({ search: words(), limit, offset })}`);
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      return failure.status === 503 ? { stale: true, word: failure.message } : { stale: true, trouble: failure.message };
    }
  }

  /** What the search finds, from the top. */
  async function look() {
    asked += 1;
    say("hint", _("正在读取…"));
    await refresh({ anew: true });
  }

  /** What is there now, in place of what is shown; where nothing changed nothing moves. */
  async function refresh({ anew = false, whole = false } = {}) {
    const mine = asked;
    const isOver = () => mine !== asked || signal.aborted;
    const shown = anew ? 0 : box.children.length;
    let found = await ask(whole ? Math.max(PART, shown) : PART);
    if (!isOver() && differs(found) && found.images.length < shown) found = await ask(shown);
    if (isOver()) return;
    if (anew || differs(found)) draw(found);
    if (anew) box.scrollTop = 0;
    tell(found);
    if (!found.stale) broken.tryAgain();
    clearTimeout(timer);
    timer = setTimeout(refreshInSight, found.stale ? SOON : CALM);
  }

  function refreshInSight() {
    if (document.hidden) timer = setTimeout(refreshInSight, SOON);
    else refresh();
  }

  function differs({ images, total: number }) {
    return images && (number !== total || images.some((image, index) => box.children[index]?.image.url !== image.url));
  }

  function draw({ images = [], total: number = 0 }) {
    total = number;
    reconcileChildren(box, images.map(makeImage), ({ image }) => image.url);
    letTabIn();
    choice.draw();
  }

  function letTabIn() {
    if (box.firstElementChild && !box.querySelector('[tabindex="0"]')) box.firstElementChild.tabIndex = 0;
  }

  function tell({ trouble = "", stale = false, word = "" }) {
    const isShown = box.children.length > 0;
    say("outage", trouble && (isShown ? _("{trouble}。下面是较早的列表，图片可能显示不出来。", { trouble }) : _("{trouble}。", { trouble })));
    const older = stale && !trouble ? _("；这是较早的列表，正在更新…") : "";
    say("hint", word || (isShown ? _("{total} 张，最多选 {most} 张", { total, most }) + older : nothing()));
  }

  function nothing() {
    if (words()) return _("没有文件名含「{words}」的示例图，可以换个词或上传", { words: words() });
    return matchMedia("(pointer: coarse)").matches ? _("还没有示例图，点「上传」从相册选择") : _("还没有示例图，可以拖到这里或上传");
  }

  function say(name, sentence) {
    if (part(name).textContent !== sentence) part(name).textContent = sentence; // or it would be read out again
  }

  function makeImage(image) {
    const element = part("image").content.firstElementChild.cloneNode(true);
    element.image = image;
    element.querySelector("img").src = image.thumbnail_url || image.url;
    element.querySelector(".picker-name").textContent = image.filename;
    element.title = image.filename;
    element.setAttribute("aria-label", image.filename);
    return element;
  }

  /** The next ones, when the end of those that are shown comes near. */
  async function more() {
    const isNear = box.scrollTop + box.clientHeight > box.scrollHeight - 800;
    if (coming || !isNear || box.children.length >= total) return;
    coming = true;
    const mine = asked;
    const { images } = await ask(PART, box.children.length);
    coming = false;
    if (mine !== asked || signal.aborted) return;
    if (images) draw({ images: [...[...box.children].map(({ image }) => image), ...images], total });
    else refresh();
  }

  let typing = 0;
  function lookSoon(event) {
    clearTimeout(typing);
    if (!isComposing(event)) typing = setTimeout(look, 200);
  }

  on(part("search"), "input", lookSoon);
  on(part("search"), "compositionend", lookSoon);
  on(box, "scroll", more);
  on(window, "focus", () => refresh({ whole: true }));
  on(document, "visibilitychange", () => document.hidden || refresh({ whole: true }));
  on(dialog, "close", () => clearTimeout(timer));
  look();
  return { look };
}

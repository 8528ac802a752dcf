// The picture on a stage: its thumbnail at first, then the whole; what does not come is said, with 重试.

import { _ } from "../words.js";

const PATIENCE = 300;

/** Returns {show(link), say(sentence)}; the stage is _stage.html. */
export function picture(stage) {
  const part = (name) => stage.querySelector(`[data-${name}]`);
  const [image, word, reload] = [part("image"), part("word"), part("reload")];
  let current = null;

  function show(link) {
    const small = link.querySelector("img");
    current = link;
    image.hidden = false;
    image.src = small?.naturalWidth ? small.currentSrc : link.dataset.full;
    fetchWhole(link, link.dataset.full);
  }

  function fetchWhole(link, address) {
    const whole = new Image();
    const coming = _("正在载入…");
    const late = setTimeout(() => { if (!word.textContent) say(coming); }, PATIENCE);
    say("");
    whole.onload = () => settle(true);
    whole.onerror = () => settle(false);
    whole.src = address;

    function settle(isHere) {
      clearTimeout(late);
      if (link !== current) return;
      if (isHere) image.src = whole.src;
      image.hidden = !isHere;
      if (!isHere) say(_("加载失败，图片文件可能已被移走"));
      else if (word.textContent === coming) say(""); // what else was said meanwhile stays
      reload.hidden = isHere;
    }
  }

  function say(sentence) {
    word.textContent = sentence;
    word.hidden = !sentence;
    reload.hidden = true;
  }

  reload.addEventListener("click", () => {
    const address = new URL(current.dataset.full, location.href);
    address.searchParams.set("again", Date.now());
    stage.closest("dialog").focus(); // the button goes; the keys stay with the picture
    fetchWhole(current, address.href);
  });

  return { show, say };
}

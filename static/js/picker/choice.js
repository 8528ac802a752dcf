// What is chosen in the picker, in order: numbers on the pictures, small ones in the foot.

import { _ } from "../words.js";

/** -> {picked, toggle(image), has(image), draw()}; at most `most` of them. */
export function makeChoice({ part, on, most, refusal }, chosen) {
  const picked = [...chosen];
  const placeOf = ({ url }) => picked.findIndex((image) => image.url === url);

  function toggle(image) {
    const at = placeOf(image);
    const isTooMany = at < 0 && picked.length >= most;
    part("error").textContent = refusal || (isTooMany ? _("最多选 {most} 张，先点掉一张", { most }) : "");
    if (at >= 0) picked.splice(at, 1);
    else if (!isTooMany && !refusal) picked.push({ url: image.url, filename: image.filename, thumbnail_url: image.thumbnail_url });
    draw();
  }

  function draw() {
    for (const element of part("images").children) {
      const at = placeOf(element.image);
      element.setAttribute("aria-selected", String(at >= 0));
      element.querySelector(".picker-order").textContent = at >= 0 ? String(at + 1) : "";
    }
    part("chosen").replaceChildren(...picked.map(makeChosen));
    part("none").hidden = picked.length === 0;
  }

  function makeChosen(image, index) {
    const place = document.createElement("li");
    const button = document.createElement("button");
    const picture = document.createElement("img");
    picture.src = image.thumbnail_url || image.url;
    picture.alt = "";
    button.type = "button";
    button.className = "picker-chosen-image";
    button.setAttribute("aria-label", _("移除第 {number} 张：{filename}", { number: index + 1, filename: image.filename }));
    button.title = _("{filename}（点一下移除）", { filename: image.filename });
    button.dataset.order = index + 1;
    button.append(picture);
    button.addEventListener("click", () => takeOut(image, index));
    place.append(button);
    return place;
  }

  /** The focus stays in the foot, on what stands there now. */
  function takeOut(image, index) {
    toggle(image);
    const left = part("chosen").querySelectorAll("button");
    (left[Math.min(index, left.length - 1)] ?? part("search")).focus();
  }

  on(part("images"), "click", ({ target }) => {
    const element = target.closest("[role=option]");
    if (element) toggle(element.image);
  });
  on(part("none"), "click", () => {
    picked.length = 0;
    draw();
    part("search").focus();
  });
  part("error").textContent = refusal;
  draw();
  return { picked, toggle, has: (image) => placeOf(image) >= 0, draw };
}

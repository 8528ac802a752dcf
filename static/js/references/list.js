// The reference images of a request as they lie in the form: drawn, numbered, kept in the field that is sent.

import { _ } from "../words.js";

export function referenceList(field) {
  const value = field.querySelector("[name=sample_images]");
  const element = field.querySelector("[data-list]");
  const max = Number(field.dataset.max);

  const images = () => JSON.parse(value.value || "[]");
  const items = () => [...element.children];

  function makeItem(image) {
    const item = field.querySelector("[data-item]").content.firstElementChild.cloneNode(true);
    item.image = image;
    item.querySelector("img").src = image.thumbnail_url || image.url;
    return item;
  }

  /** What the field holds. */
  function draw() {
    element.replaceChildren(...images().map(makeItem));
    number();
  }

  function number() {
    items().forEach((item, index) => {
      const words = { number: index + 1, name: item.image.filename };
      item.querySelector(".reference-number").textContent = index + 1;
      item.querySelector("[data-move]").setAttribute("aria-label", _("参考图 {number}：{name}，按左右箭头调整顺序", words));
      item.querySelector("[data-move]").title = words.name;
      item.querySelector("[data-remove]").setAttribute("aria-label", _("移除参考图 {number}：{name}", words));
    });
    field.querySelector("[data-add]").hidden = items().length >= max || Boolean(field.dataset.refusal);
    field.querySelector("[data-choose]").textContent = _("选择 ({n})", { n: items().length });
    field.querySelector("[data-order-hint]").hidden = items().length < 2;
  }

  /** Into the field, as they lie; what is still on its way is not sent. */
  function save() {
    number();
    const there = items().filter((item) => !item.classList.contains("is-coming"));
    value.value = JSON.stringify(there.map((item) => item.image));
    value.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function append(image) {
    const item = makeItem(image);
    element.append(item);
    save();
    return item;
  }

  function replace(chosen) {
    element.replaceChildren(...chosen.map(makeItem));
    save();
  }

  /** By the person's wish: what is still on its way hears of it. */
  function remove(item) {
    const next = item.nextElementSibling || item.previousElementSibling;
    item.dispatchEvent(new Event("taken-out"));
    item.remove();
    save();
    (next?.querySelector("[data-remove]") || field.querySelector("[data-pick]:enabled") || field.closest("form").elements.prompt).focus();
  }

  function complain(sentence) {
    field.querySelector("[data-error-for]").textContent = sentence;
  }

  element.addEventListener("click", ({ target }) => target.closest("[data-remove]") && remove(target.closest("li")));
  return { element, max, images, items, makeItem, number, draw, save, append, replace, remove, complain };
}

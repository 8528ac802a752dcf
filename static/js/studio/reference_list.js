// The list of reference images in the form: rendered, numbered, and kept in the field that is submitted.

import { _ } from "../core/i18n.js";

export function makeReferenceList(field) {
  const input = field.querySelector("[name=sample_images]");
  const element = field.querySelector("[data-list]");
  const max = Number(field.dataset.max);

  const images = () => JSON.parse(input.value || "[]");
  const items = () => [...element.children];

  function makeItem(image) {
    const item = field.querySelector("[data-item]").content.firstElementChild.cloneNode(true);
    item.image = image;
    item.querySelector("img").src = image.thumbnail_url || image.url;
    return item;
  }

  const uploading = () => items().filter((item) => item.classList.contains("is-uploading"));

  /** Show what the input holds, before what is still uploading. */
  function render() {
    element.replaceChildren(...images().map(makeItem), ...uploading());
    number();
  }

  function number() {
    items().forEach((item, index) => {
      const values = { number: index + 1, name: item.image.filename };
      item.querySelector(".reference-number").textContent = index + 1;
      item.querySelector("[data-move]").setAttribute("aria-label", _("参考图 {number}：{name}，按左右箭头调整顺序", values));
      item.querySelector("[data-move]").title = values.name;
      item.querySelector("[data-remove]").setAttribute("aria-label", _("移除参考图 {number}：{name}", values));
    });
    field.querySelector("[data-add]").hidden = items().length >= max || Boolean(field.dataset.refusal);
    field.querySelector("[data-open-picker]").textContent = _("选择 ({n})", { n: items().length });
    field.querySelector("[data-order-hint]").hidden = items().length < 2;
  }

  /** Save the list in the input; what is still uploading is left out. */
  function save() {
    number();
    const uploaded = items().filter((item) => !uploading().includes(item));
    input.value = JSON.stringify(uploaded.map((item) => item.image));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function append(image) {
    element.append(makeItem(image));
    save();
  }

  function replace(chosen) {
    element.replaceChildren(...chosen.map(makeItem), ...uploading());
    save();
  }

  /** Dispatches "removed" on the item, for its upload. */
  function remove(item) {
    const next = item.nextElementSibling || item.previousElementSibling;
    item.dispatchEvent(new Event("removed"));
    item.remove();
    save();
    (next?.querySelector("[data-remove]") || field.querySelector("[data-select]:enabled") || field.closest("form").elements.prompt).focus();
  }

  /** Abort what is uploading. */
  function giveUp() {
    for (const item of uploading()) {
      item.dispatchEvent(new Event("removed"));
      item.remove();
    }
  }

  function showError(message) {
    field.querySelector("[data-error-for]").textContent = message;
  }

  element.addEventListener("click", ({ target }) => target.closest("[data-remove]") && remove(target.closest("li")));
  return { element, max, images, items, uploading, makeItem, number, render, save, append, replace, remove, giveUp, showError };
}

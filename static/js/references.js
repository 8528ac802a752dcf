// Reference images of a request: dropped, pasted or picked; put in order by dragging or by arrow keys.

import { Failure, upload as send } from "./api.js";
import { announce } from "./messages.js";
import { _ } from "./words.js";

export function references(field) {
  const form = field.closest("form");
  const value = field.querySelector("[name=sample_images]");
  const list = field.querySelector("[data-list]");
  const max = Number(field.dataset.max);
  if (!list) return;
  let dragged = null;

  const images = () => JSON.parse(value.value || "[]");
  const items = () => [...list.children];

  function draw() {
    list.replaceChildren(...images().map((image) => item(image)));
    number();
  }

  function item(image) {
    const element = field.querySelector("[data-item]").content.firstElementChild.cloneNode(true);
    element.image = image;
    element.querySelector("img").src = image.thumbnail_url || image.url;
    return element;
  }

  function number() {
    items().forEach((element, index) => {
      const name = element.image.filename;
      element.querySelector(".reference-number").textContent = index + 1;
      element.querySelector("[data-move]").setAttribute("aria-label", _("参考图 {number}：{name}，按左右箭头调整顺序", { number: index + 1, name }));
      element.querySelector("[data-move]").title = name;
      element.querySelector("[data-remove]").setAttribute("aria-label", _("移除参考图 {number}：{name}", { number: index + 1, name }));
    });
    field.querySelector("[data-add]").hidden = items().length >= max;
    field.querySelector("[data-choose]").textContent = _("选择 ({n})", { n: items().length });
    field.querySelector("[data-order-hint]").hidden = items().length < 2;
  }

  function save() {
    number();
    const done = items().filter((element) => !element.classList.contains("is-coming"));
    value.value = JSON.stringify(done.map((element) => element.image));
    value.dispatchEvent(new Event("input", { bubbles: true }));
  }

  async function add(files) {
    const free = max - items().length;
    const excess = files.length > free ? _("最多 {max} 张参考图，多出的没有加入", { max }) : "";
    complain(excess);
    const failures = await Promise.all(files.slice(0, free).map(upload));
    complain([excess, ...failures].filter(Boolean).join(_("；")));
  }

  /** Put one picture into the library and the list; resolves to why not, else to nothing. */
  async function upload(file) {
    const preview = URL.createObjectURL(file);
    const element = item({ filename: file.name, url: preview });
    element.classList.add("is-coming");
    list.append(element);
    number();
    let complaint = "";
    try {
      const { images: kept } = await send(form.dataset.uploadUrl, file, () => {});
      if (items().some(({ image }) => image.url === kept[0].url)) {
        element.remove();
        complaint = _("{name}：这张图已经加过了", { name: file.name });
      }
      element.image = kept[0];
      element.classList.remove("is-coming");
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      element.remove();
      complaint = _("{name}：{message}", { name: file.name, message: failure.message });
    }
    URL.revokeObjectURL(element.isConnected ? "" : preview);
    save();
    return complaint;
  }

  function complain(sentence) {
    field.querySelector("[data-error-for]").textContent = sentence;
  }

  function move(element, step) {
    const other = items()[items().indexOf(element) + step];
    if (!other) return;
    if (step < 0) other.before(element);
    else other.after(element);
    save();
    element.querySelector("[data-move]").focus();
    announce(_("移到第 {place} 位", { place: items().indexOf(element) + 1 }));
  }

  list.addEventListener("keydown", (event) => {
    const element = event.target.closest("[data-move]")?.closest("li");
    if (!element) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") move(element, event.key === "ArrowLeft" ? -1 : 1);
    else if (event.key === "Delete") remove(element);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    if (event.target.closest("[data-remove]")) remove(event.target.closest("li"));
  });

  function remove(element) {
    const next = element.nextElementSibling || element.previousElementSibling;
    element.remove();
    save();
    (next?.querySelector("[data-remove]") || field.querySelector("[data-pick]")).focus();
  }

  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li");
    dragged.classList.add("is-dragged");
    event.dataTransfer.effectAllowed = "move";
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over || over === dragged) return;
    const box = over.getBoundingClientRect();
    if (event.clientX < box.left + box.width / 2) over.before(dragged);
    else over.after(dragged);
  });
  list.addEventListener("dragend", () => {
    dragged?.classList.remove("is-dragged");
    dragged = null;
    save();
  });

  /** From the library: what is chosen there, in that order, takes the place of what was. */
  async function choose() {
    const { openReferencePicker } = await import("./reference_picker.js");
    const dialog = document.querySelector("[data-reference-picker]");
    const chosen = await openReferencePicker(dialog, { chosen: images(), most: max });
    field.querySelector("[data-choose]").focus();
    if (!chosen) return;
    complain("");
    list.replaceChildren(...chosen.map(item));
    save();
  }

  field.querySelector("[data-choose]").addEventListener("click", choose);
  field.querySelector("[data-pick]").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length && !document.querySelector("dialog[open]")) add([...event.clipboardData.files]);
  });
  document.addEventListener("dragover", (event) => {
    if (dragged || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    form.classList.add("is-dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("is-dropping");
  });
  document.addEventListener("drop", (event) => {
    form.classList.remove("is-dropping");
    if (dragged || !event.dataTransfer?.files.length) return;
    event.preventDefault();
    add([...event.dataTransfer.files]);
  });
  document.addEventListener("use-reference", (event) => {
    if (items().length >= max) return complain(_("已有 {max} 张参考图，请先移除一张", { max }));
    list.append(item(event.detail));
    save();
    return undefined;
  });
  form.addEventListener("filled", draw);
  draw();
}

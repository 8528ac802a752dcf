// Reference images of a request: dropped, pasted, uploaded, picked in the library, or taken from a result.

import { followPointer } from "../core/drag.js";
import { onFilesDropped } from "../core/file_drop.js";
import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { upload } from "../core/upload.js";
import { openReferencePicker } from "../library/picker.js";
import { announce } from "../ui/messages.js";

export function references(field) {
  const form = field.closest("form");
  if (!field.querySelector("[data-list]")) return;
  const list = referenceList(field);
  const { refusal } = field.dataset; // why the model takes none of this machine; empty when it does
  const upload = uploadReferences(list, form.dataset.uploadUrl);
  const add = (files) => (refusal ? refuse(refusal) : upload(files));
  const choice = field.querySelector("[data-open-picker]");

  /** From the library: what is chosen there, in that order, takes the place of what was. */
  async function choose() {
    const dialog = document.querySelector("[data-reference-picker]");
    const chosen = await openReferencePicker(dialog, { chosen: list.images(), most: list.max });
    list.complain("");
    if (chosen) list.replace(chosen);
    choice.focus();
  }

  /** A picture that was made; null asks whether there is room for one. The event is cancelled when there is none. */
  function use(event) {
    const isFull = list.items().length >= list.max;
    const complaint = refusal || (isFull ? _("已有 {max} 张参考图，请先移除一张", { max: list.max }) : "");
    list.complain("");
    if (complaint) event.preventDefault();
    if (complaint) refuse(complaint);
    else if (event.detail) list.append(event.detail);
  }

  function refuse(complaint) {
    list.complain(complaint);
    field.scrollIntoView({ block: "nearest" });
  }

  orderReferences(list);
  choice.addEventListener("click", choose);
  field.querySelector("[data-select]").addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  onFilesDropped(document, { shade: form, take: add });
  document.addEventListener("add-reference", use);
  form.addEventListener("form-filled", list.draw);
  list.draw();
}

// The reference images of a request as they lie in the form: drawn, numbered, kept in the field that is sent.


function referenceList(field) {
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
    field.querySelector("[data-open-picker]").textContent = _("选择 ({n})", { n: items().length });
    field.querySelector("[data-order-hint]").hidden = items().length < 2;
  }

  /** Into the field, as they lie; what is still on its way is not sent. */
  function save() {
    number();
    const there = items().filter((item) => !item.classList.contains("is-uploading"));
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
    item.dispatchEvent(new Event("removed"));
    item.remove();
    save();
    (next?.querySelector("[data-remove]") || field.querySelector("[data-select]:enabled") || field.closest("form").elements.prompt).focus();
  }

  function complain(sentence) {
    field.querySelector("[data-error-for]").textContent = sentence;
  }

  element.addEventListener("click", ({ target }) => target.closest("[data-remove]") && remove(target.closest("li")));
  return { element, max, images, items, makeItem, number, draw, save, append, replace, remove, complain };
}

// Reference images put in order, by dragging or by arrow keys; Delete takes one out.


const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
const SLACK = 4; // pixels that a click may move

function orderReferences({ element, items, save, remove }) {
  function move(item, step) {
    const other = items()[items().indexOf(item) + step];
    if (!other) return;
    if (step < 0) other.before(item);
    else other.after(item);
    save();
    item.querySelector("[data-move]").focus();
    announce(_("移到第 {place} 位", { place: items().indexOf(item) + 1 }));
  }

  element.addEventListener("keydown", (event) => {
    const item = event.target.closest("[data-move]")?.closest("li");
    if (!item || !(event.key in STEPS || event.key === "Delete")) return;
    event.preventDefault();
    if (event.key in STEPS) move(item, STEPS[event.key]);
    else remove(item);
  });

  element.addEventListener("pointerdown", (event) => {
    const item = event.target.closest("[data-move]")?.closest("li");
    if (item && event.button === 0) drag(event, item);
  });

  /** The item follows the pointer to its new place; Esc puts it back. */
  function drag(start, item) {
    const before = items();
    const settle = () => {
      item.classList.remove("is-dragged");
      save();
    };
    followPointer(start, {
      move({ clientX, clientY }) {
        if (Math.hypot(clientX - start.clientX, clientY - start.clientY) < SLACK) return;
        item.classList.add("is-dragged");
        const over = document.elementFromPoint(clientX, clientY)?.closest("li");
        if (!over || over === item || over.parentElement !== element) return;
        const { left, width } = over.getBoundingClientRect();
        if (clientX < left + width / 2) over.before(item);
        else over.after(item);
      },
      end: () => item.classList.contains("is-dragged") && settle(),
      cancel() {
        element.prepend(...before.filter((each) => each.isConnected)); // one may have arrived or left meanwhile
        settle();
      },
    });
  }
}

// Files that become reference images: into the library, and into the list at once.


/** -> add(files) */
function uploadReferences(list, url) {
  async function add(files) {
    const free = list.max - list.items().length;
    const excess = files.length > free ? _("最多 {max} 张参考图，多出的没有加入", { max: list.max }) : "";
    list.complain(excess);
    const failures = await Promise.all(files.slice(0, free).map(put));
    list.complain([excess, ...failures].filter(Boolean).join(_("；")));
  }

  /** One file; resolves to why not, else to nothing. Taken out on its way, it is not sent to its end. */
  async function put(file) {
    const preview = URL.createObjectURL(file);
    const item = list.makeItem({ filename: file.name, url: preview });
    item.classList.add("is-uploading");
    const stop = new AbortController();
    item.addEventListener("removed", () => stop.abort());
    list.element.append(item);
    list.number();
    let complaint = "";
    try {
      const answer = await upload(url, file, { signal: stop.signal });
      if (answer) complaint = arrive(item, answer.images[0]);
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      item.remove();
      complaint = _("{name}：{message}", { name: file.name, message: failure.message });
    }
    if (!item.isConnected) URL.revokeObjectURL(preview);
    list.save();
    return complaint;
  }

  function arrive(item, kept) {
    const { filename: name } = item.image;
    const isThere = list.items().some(({ image }) => image.url === kept.url);
    if (isThere) item.remove();
    item.image = kept;
    item.classList.remove("is-uploading");
    return isThere ? _("{name}：这张图已经加过了", { name }) : "";
  }

  return add;
}

// Reference images of a request: dropped, pasted, uploaded, picked in the library, or taken from a result.

import { Failure } from "./api.js";
import { filesArrive } from "./file_arrival.js";
import { late } from "./late.js";
import { referenceList } from "./references/list.js";
import { orderReferences } from "./references/order.js";
import { uploadReferences } from "./references/uploading.js";
import { _ } from "./words.js";

const picker = late(() => import("./reference_picker.js"), ({ openReferencePicker }) => openReferencePicker);

export function references(field) {
  const form = field.closest("form");
  if (!field.querySelector("[data-list]")) return;
  const list = referenceList(field);
  const add = uploadReferences(list, form.dataset.uploadUrl);
  const choice = field.querySelector("[data-choose]");

  /** From the library: what is chosen there, in that order, takes the place of what was. */
  async function choose() {
    const dialog = document.querySelector("[data-reference-picker]");
    try {
      const open = await picker();
      const chosen = await open(dialog, { chosen: list.images(), most: list.max });
      list.complain("");
      if (chosen) list.replace(chosen);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      list.complain(failure.message);
    }
    choice.focus();
  }

  /** A picture that was made; null asks whether there is room for one. The event is cancelled when there is none. */
  function use(event) {
    const isFull = list.items().length >= list.max;
    list.complain(isFull ? _("已有 {max} 张参考图，请先移除一张", { max: list.max }) : "");
    if (event.detail && !isFull) list.append(event.detail);
    if (!isFull) return;
    event.preventDefault();
    field.scrollIntoView({ block: "nearest" });
  }

  orderReferences(list);
  choice.addEventListener("click", choose);
  field.querySelector("[data-pick]").addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  filesArrive(document, { shade: form, take: add });
  document.addEventListener("use-reference", use);
  form.addEventListener("filled", list.draw);
  list.draw();
}

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
  const { refusal } = field.dataset; // why the model takes none of this machine; empty when it does
  const upload = uploadReferences(list, form.dataset.uploadUrl);
  const add = (files) => (refusal ? refuse(refusal) : upload(files));
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
  field.querySelector("[data-pick]").addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  filesArrive(document, { shade: form, take: add });
  document.addEventListener("use-reference", use);
  form.addEventListener("filled", list.draw);
  list.draw();
}

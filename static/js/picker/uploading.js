// Files into the library from within the picker: what arrives is chosen, as long as there is room.

import { filesArrive } from "../file_arrival.js";
import { toast } from "../messages.js";
import { uploads } from "../uploads.js";
import { _ } from "../words.js";

const open = new WeakMap(); // dialog -> who is told of what arrives, and its uploads: they outlive the dialog

export function takeFiles({ dialog, most, url, part, on, signal }, { choice, library }) {
  if (!open.has(dialog)) open.set(dialog, { uploads: beginUploads(dialog, url) });
  const { add } = Object.assign(open.get(dialog), { kept, ended }).uploads;

  function kept(image) {
    if (choice.picked.length < most && !choice.has(image)) choice.toggle(image);
  }

  function ended() {
    part("search").value = "";
    library.look();
  }

  on(part("upload"), "click", () => part("file").click());
  on(part("file"), "change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  filesArrive(dialog, { shade: dialog, take: add, signal });
}

function beginUploads(dialog, url) {
  const kept = (image) => dialog.open && open.get(dialog).kept(image);
  const ended = (done) => (dialog.open ? open.get(dialog).ended() : toast(_("已加入 {done} 张示例图", { done })));
  const opener = dialog.querySelector("[data-picker-upload]");
  return uploads(dialog.querySelector("[data-uploads]"), { url, atOnce: 1, opener, kept, ended });
}

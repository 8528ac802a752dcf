// Files that become reference images: into the library, and into the list at once.

import { Failure } from "../api.js";
import { upload } from "../uploads/send.js";
import { _ } from "../words.js";

/** -> add(files) */
export function uploadReferences(list, url) {
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
    item.classList.add("is-coming");
    const stop = new AbortController();
    item.addEventListener("taken-out", () => stop.abort());
    list.element.append(item);
    list.number();
    let complaint = "";
    try {
      const answer = await upload(url, file, () => {}, stop.signal);
      if (answer) complaint = arrive(item, answer.images[0]);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
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
    item.classList.remove("is-coming");
    return isThere ? _("{name}：这张图已经加过了", { name }) : "";
  }

  return add;
}

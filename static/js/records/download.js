// A download by a form, which the browser shows and stops like any other. Only an error loads in its frame: it is shown.

import { create } from "../core/dom.js";
import { refusalOf } from "../core/files.js";
import { messageOf } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { showError, showToast } from "../ui/toast.js";

const FRAME = "download";

/** POST `target`, {ids} or {filter}, to a URL that answers with a file. */
export function download(url, { ids, filter }) {
  const fields = filter ?? { ids: ids.join(",") };
  const inputs = Object.entries(fields).map(([name, value]) => create("input", { type: "hidden", name, value }));
  const form = create("form", { method: "post", action: url, target: FRAME, hidden: true }, ...inputs);
  document.body.append(form);
  appendFrame(url, new URLSearchParams(fields));
  form.submit();
  form.remove();
  showToast(_("已开始下载，文件大时请稍等"));
}

function appendFrame(url, body) {
  document.querySelector(`iframe[name="${FRAME}"]`)?.remove();
  const frame = create("iframe", { name: FRAME, hidden: true });
  document.body.append(frame);
  frame.addEventListener("load", async () => {
    const reason = await refusalOf(url, body).catch(messageOf);
    showError(reason || _("下载没有成功，请再试一次"));
  });
}

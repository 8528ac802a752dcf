// A download by a form, which the browser shows and stops like any other. Only an error loads in its frame: it is shown.

import { refusalOf } from "../core/files.js";
import { messageOf } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { showError, showToast } from "../ui/toast.js";

const FRAME = "download";

/** POST `target`, {ids} or {filter}, to a URL that answers with a file. */
export function download(url, { ids, filter }) {
  const fields = filter ?? { ids: ids.join(",") };
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: url, target: FRAME, hidden: true });
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    form.append(Object.assign(input, { type: "hidden", name, value }));
  }
  document.body.append(form);
  appendFrame(url, new URLSearchParams(fields));
  form.submit();
  form.remove();
  showToast(_("已开始下载，文件大时请稍等"));
}

function appendFrame(url, body) {
  document.querySelector(`iframe[name="${FRAME}"]`)?.remove();
  const frame = Object.assign(document.createElement("iframe"), { name: FRAME, hidden: true });
  document.body.append(frame);
  frame.addEventListener("load", async () => {
    const reason = await refusalOf(url, body).catch(messageOf);
    showError(reason || _("下载没有成功，请再试一次"));
  });
}

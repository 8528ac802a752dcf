// Files that take a while to be prepared. They load in a hidden frame, where only an error is shown: what was pressed says that it is under way
// until a cookie tells that the server begins to send, or why it does not.

import { showError, showToast } from "./toast.js";
import { create } from "../core/dom.js";
import { refusalOf } from "../core/files.js";
import { messageOf } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { randomKey } from "../core/orders.js";

const FRAME = "download";
const BETWEEN = 200; // ms
const LONGEST = 600_000; // ms

/** Load the file at an address, and say that it is prepared. */
export function follow(href) {
  const [address, token] = [new URL(href), randomKey().slice(0, 12)];
  address.searchParams.set("token", token);
  const stop = sayPreparing(token);
  appendFrame(address.href, null, stop).src = address.href;
}

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

/** In the place of an earlier one. */
function appendFrame(url, body, onRefused = () => null) {
  document.querySelector(`iframe[name="${FRAME}"]`)?.remove();
  const frame = create("iframe", { name: FRAME, hidden: true });
  document.body.append(frame);
  frame.addEventListener("load", async () => {
    onRefused();
    const reason = await refusalOf(url, body).catch(messageOf);
    showError(reason || _("下载没有成功，请再试一次"));
  });
  return frame;
}

/** Returns what ends it. */
function sayPreparing(token) {
  const until = performance.now() + LONGEST;
  let message = showToast(_("正在准备下载…"));
  const timer = setInterval(() => {
    if (document.cookie.split("; ").includes(`download=${token}`) || performance.now() > until) stop();
    else if (!message.isConnected) message = showToast(_("正在准备下载…"));
  }, BETWEEN);

  function stop() {
    clearInterval(timer);
    message.remove();
  }

  return stop;
}

// 改: the words and the ratio of a row, changed below them, to make one more picture; or again those that failed.

import { HttpError, messageOf, requestJson } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { loadItem, saveItem } from "../core/storage.js";
import { loadDetails } from "../ui/details.js";
import { offerUndo, showToast } from "../ui/toast.js";

const UNSENT = "pictures.unsent"; // URL of a batch -> {row number: words that were not sent}, the latest last
const MAX_STORED = 20; // batches

/** Bind 改 in the rows of `page`; dispatches "poll-now" after something was queued. Returns {open(row)}. */
export function bindEdits(page) {
  const template = page.querySelector("[data-edit-template]");
  const { batchUrl, cancelUrl } = page.dataset;
  const unsent = new Map(Object.entries(loadItem(UNSENT)?.[batchUrl] ?? {}));

  function setUnsent({ dataset }, words) {
    if (words === null) unsent.delete(dataset.row);
    else unsent.set(dataset.row, words);
    const { [batchUrl]: _before, ...others } = loadItem(UNSENT) ?? {};
    const all = [...Object.entries(others), ...(unsent.size > 0 ? [[batchUrl, Object.fromEntries(unsent)]] : [])];
    saveItem(UNSENT, Object.fromEntries(all.slice(-MAX_STORED)));
  }

  page.addEventListener("focusin", ({ target }) => {
    const picture = target.closest("[data-row] [data-record-id]");
    if (picture) picture.closest("[data-row]").dataset.focused = picture.dataset.recordId;
  });
  page.addEventListener("click", ({ target }) => {
    if (target.closest('[data-command="change"]')) open(target.closest("[data-row]"));
  });

  async function open(row) {
    const shown = row.querySelector("[data-edit]");
    const button = row.querySelector('[data-command="change"]');
    if (!button) return;
    if (shown) return void shown.querySelector("[data-edit-prompt]").focus();
    const picture = originOf(row);
    const form = template.content.firstElementChild.cloneNode(true);
    const close = () => {
      form.remove();
      const current = row.querySelector('[data-command="change"]'); // the row may have been replaced
      current?.setAttribute("aria-expanded", "false");
      current?.focus({ preventScroll: true });
    };
    row.querySelector("[data-edit-place]").append(form);
    button.setAttribute("aria-expanded", "true");
    part(form, "close").addEventListener("click", () => {
      setUnsent(row, null);
      close();
    });
    let send = () => null;
    bindForm(form, { send: () => send(), leave: close });
    part(form, "prompt").focus({ preventScroll: true }); // also before it can be written in: no key is a command now
    form.scrollIntoView({ block: "nearest" });
    try {
      const { request } = await loadDetails(picture);
      send = startEdit(form, { row, picture, request, close });
    } catch (error) {
      part(form, "error").textContent = messageOf(error);
    }
  }

  /** Returns send(). */
  function startEdit(form, { row, picture, request, close }) {
    const [prompt, ratio] = [part(form, "prompt"), part(form, "ratio")];
    const failed = row.dataset.failed ? row.dataset.failed.split(",").map(Number) : [];
    for (const control of form.querySelectorAll(":disabled")) control.disabled = false;
    prompt.readOnly = false;
    prompt.value = unsent.get(row.dataset.row) ?? request.prompt;
    ratio.value = request.aspect_ratio;
    part(form, "origin").textContent = failed.length === 0 && Number(row.dataset.count) > 1 ? _("照第 {n} 张改", { n: picture.dataset.pictureNumber }) : "";
    part(form, "yes").textContent = yesWords(failed.length, priceOf(row) * (failed.length || 1));

    async function send() {
      if (form.dataset.busy) return;
      form.dataset.busy = "yes";
      part(form, "yes").dataset.busy = "yes";
      part(form, "error").textContent = "";
      const ids = failed.length > 0 ? failed : [Number(picture.dataset.recordId)];
      try {
        const answer = await postOnce(`${batchUrl}/${failed.length > 0 ? "retry" : "again"}`, { records: ids, ...changesOf(form, request, ids) });
        setUnsent(row, null);
        close();
        if (failed.length > 0) showToast(answer.batch.status === "paused" ? _("已重新排队，批次继续后开始") : _("第 {row} 行重新开始做", { row: row.dataset.row }));
        else offerCancel(answer, row.dataset.row);
        pollNow();
      } catch (error) {
        if (!(error instanceof HttpError)) throw error;
        part(form, "error").textContent = sentenceOf(error);
        part(form, "yes").focus();
      } finally {
        delete form.dataset.busy;
        delete part(form, "yes").dataset.busy;
      }
    }

    prompt.addEventListener("input", () => setUnsent(row, prompt.value === request.prompt ? null : prompt.value));
    return send;
  }

  // What has not begun costs nothing: it can be called back while the message is there.
  function offerCancel({ records: [id], batch }, row) {
    const words = batch.status === "paused" ? _("第 {row} 行多排了 1 张，批次继续后开始", { row }) : _("第 {row} 行再做 1 张", { row });
    offerUndo(words, async () => {
      await requestJson("POST", cancelUrl.replace("/0/", `/${id}/`));
      pollNow();
    }, { whileShown: true });
  }

  return { open };
}

function pollNow() {
  document.dispatchEvent(new Event("poll-now"));
}

function bindForm(form, { send, leave }) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

/** {changes} as the API takes them: what differs from the request, for each of these records; {} when nothing does. */
function changesOf(form, request, ids) {
  const [prompt, ratio] = [part(form, "prompt").value, part(form, "ratio").value];
  const changed = {};
  if (prompt !== request.prompt) changed.prompt = prompt;
  if (ratio && ratio !== request.aspect_ratio) changed.aspect_ratio = ratio;
  return Object.keys(changed).length > 0 ? { changes: Object.fromEntries(ids.map((id) => [id, changed])) } : {};
}

/** The picture that the new one starts from: the one that had the focus last, when it is made, else the latest. */
function originOf(row) {
  const find = (id) => row.querySelector(`[data-record-id="${id}"]`);
  const focused = row.dataset.focused && find(row.dataset.focused);
  return focused?.dataset.status === "success" ? focused : find(row.dataset.latest);
}

function priceOf(row) {
  return row.dataset.price === "" ? NaN : Number(row.dataset.price);
}

function yesWords(failed, price) {
  const sum = formatPrice(price);
  if (failed === 0) return _("再来一张 · {sum}", { sum });
  return failed === 1 ? _("改好重试 · {sum}", { sum }) : _("改好重试 {n} 张 · {sum}", { n: failed, sum });
}

/** The reasons by record are the same for all of them: the first one is shown. */
function sentenceOf(error) {
  return error.problems[0]?.error ?? messageOf(error);
}

function part(form, name) {
  return form.querySelector(`[data-edit-${name}]`);
}

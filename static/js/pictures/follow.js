// Keeps the page up to date: rows that changed are replaced where they stand, and the head above them.

import { parseHtml, reconcileChildren } from "../core/dom.js";
import { fetchHtmlIfChanged, messageOf } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { poll } from "../core/poll.js";

const RUNNING = 1500; // ms between polls
const AFTER_ERROR = 2000;
const ENDED = 10_000;
const ROWS_A_PAGE = 100; // the server's
const HEAD_FACTS = ["heldRows", "held", "queued", "rowsOfGroup", "status"];

/**
 * Poll the batch of `page`. onChange() is called after each change was shown. Returns {now(), reload()}; now() resolves when
 * what has happened until then is shown, reload() when also the rows are those that the address names by now.
 */
export function followBatch(page, { onChange }) {
  const head = page.querySelector("[data-pictures-head]");
  const list = page.querySelector("[data-picture-rows]");
  const { liveUrl, group } = page.dataset;
  let since = Number(page.dataset.version);
  let shownRows = Number(head.dataset.rowsOfGroup);

  async function load(memory) {
    const rows = [...list.children].map(({ dataset }) => dataset.row);
    const news = await fetchHtmlIfChanged(`${liveUrl}&show=${group}&since=${since}&rows=${rows.join(",")}`, memory);
    showConnection("");
    if (!news) return;
    const [freshHead, ...freshRows] = parseHtml(news.html).children;
    updateHead(head, freshHead);
    for (const row of freshRows) updateRow(list, row);
    since = Number(news.version);
    offerRows();
    onChange();
  }

  /** Rows that came in are not put between those that are looked at: a button shows them. */
  function offerRows() {
    const more = group === "all" ? Number(head.dataset.rowsOfGroup) - shownRows : 0;
    const button = page.querySelector("[data-pictures-more]");
    button.hidden = more <= 0 || list.children.length === ROWS_A_PAGE;
    button.textContent = _("又有 {n} 行，显示出来", { n: more });
    if (!button.hidden && list.children.length === 0) reload();
  }

  async function reload() {
    try {
      showRows(await fetchHtmlIfChanged(location.href, {}));
    } catch (error) {
      showConnection(messageOf(error));
    }
    await poller.now();
  }

  function showRows({ html }) {
    const fresh = parseHtml(html);
    const [body, freshBody] = [page, fresh].map((root) => root.querySelector("[data-pictures-body]"));
    const freshList = freshBody.querySelector("[data-picture-rows]");
    const focused = document.activeElement;
    reconcileChildren(list, [...freshList.children], ({ dataset }) => dataset.row);
    freshList.replaceWith(list);
    body.replaceChildren(...freshBody.childNodes);
    if (list.contains(focused)) focused.focus({ preventScroll: true }); // it was moved with the list
    shownRows = Number(fresh.querySelector("[data-pictures-head]").dataset.rowsOfGroup);
    offerRows();
  }

  function showConnection(text) {
    const notice = page.querySelector("[data-pictures-offline]");
    if (notice.textContent !== text) notice.textContent = text;
    notice.hidden = !text;
  }

  const poller = poll(load, {
    interval: (hasFailed) => (hasFailed ? AFTER_ERROR : ["queued", "running"].includes(head.dataset.status) ? RUNNING : ENDED),
    onError: (error) => showConnection(error.status === 0 ? _("连不上服务，正在重试…") : messageOf(error)),
  });
  page.querySelector("[data-pictures-more]").addEventListener("click", async () => {
    await reload();
    list.querySelector("[data-place]")?.focus({ preventScroll: true });
  });
  return { now: poller.now, reload };
}

function updateHead(head, fresh) {
  for (const name of HEAD_FACTS) head.dataset[name] = fresh.dataset[name];
  const focused = head.contains(document.activeElement) && document.activeElement.dataset.group;
  head.replaceChildren(...fresh.childNodes);
  if (focused) head.querySelector(`[data-group="${focused}"]`)?.focus({ preventScroll: true });
}

/** Put a row in place of the old one; pictures that did not change stay, and so does what is being written below them. */
function updateRow(list, fresh) {
  const old = list.querySelector(`:scope > [data-row="${fresh.dataset.row}"]`);
  if (!old) return;
  if ("gone" in fresh.dataset) return void old.remove();
  const giveFocusBack = focusIn(old);
  const lists = [old, fresh].map((row) => [...row.querySelectorAll("[data-pictures]")]);
  lists[0].forEach((pictures, index) => updatePictures(pictures, lists[1][index]));
  const [words, freshWords] = [old, fresh].map((row) => row.querySelector("[data-words]"));
  if (words.textContent !== freshWords.textContent) words.replaceWith(freshWords);
  const [commands, freshCommands] = [old, fresh].map((row) => row.querySelector("[data-commands]"));
  if (!old.querySelector("[data-edit]")) commands.replaceWith(freshCommands); // else its button closes what is open
  old.classList.toggle("is-many", fresh.classList.contains("is-many"));
  Object.assign(old.dataset, fresh.dataset);
  freshCommands.querySelector('[data-command="expand"]')?.setAttribute("aria-expanded", String(old.classList.contains("is-expanded")));
  giveFocusBack?.();
}

/** The pictures of one batch. */
function updatePictures(pictures, fresh) {
  const known = new Map([...pictures.children].map((picture) => [picture.dataset.shown, picture]));
  for (const picture of fresh.children) if (known.has(picture.dataset.shown)) updateMarks(known.get(picture.dataset.shown), picture);
  reconcileChildren(pictures, [...fresh.children], ({ dataset }) => dataset.shown);
}

/** The same picture: only what was chosen is new. */
function updateMarks(picture, fresh) {
  Object.assign(picture.dataset, fresh.dataset);
  picture.toggleAttribute("data-favourite", fresh.hasAttribute("data-favourite"));
  for (const button of fresh.querySelectorAll("[aria-pressed]")) {
    picture.querySelector(`[data-command="${button.dataset.command}"]`)?.setAttribute("aria-pressed", button.getAttribute("aria-pressed"));
  }
}

/** A function that gives the focus back to the same picture or button of the row, or to its first picture; null when it is elsewhere. */
function focusIn(row) {
  const element = document.activeElement;
  if (!row.contains(element)) return null;
  const picture = element.closest("[data-record-id]");
  const { command } = element.dataset;
  return () => {
    if (element.isConnected) return;
    const now = (picture && row.querySelector(`[data-record-id="${picture.dataset.recordId}"]`)) ?? row;
    ((command && now.querySelector(`[data-command="${command}"]`)) || now.querySelector("[data-place]"))?.focus({ preventScroll: true });
  };
}

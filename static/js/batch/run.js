// A batch that was started: its rows with their states, its progress, and what can be done about it.

import { confirmRetry, formatAmount, amountAtRisk } from "./footer.js";
import { requestDigest } from "./post_rows.js";
import { RowStates, requeuedMessage } from "./row_states.js";
import { resumableOf, makeLog, makeRunPanel } from "./run_panel.js";
import { requestJson, fetchJsonIfChanged, messageOf } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { postOnce as post } from "../core/orders.js";
import { poll } from "../core/poll.js";
import { announce, confirmCost, offerUndo } from "../ui/messages.js";

// What a picture's record keeps is the seed that was used: as a wish it would only make the same picture again.
function unseeded(row, records) {
  return records.some(({ status }) => status === "success") ? { ...row, seed: "" } : row;
}

const unresolvedActions = lazy(() => import("../records/unresolved.js"));
const idsOf = (records) => ({ ids: records.map((record) => record.id) });

/** Show batch `id` in the table and keep it true. posted: the rows as they were just sent, if they were. */
export function openRun({ page, table, url, id, posted = null, onCopy }) {
  const address = `${url}/${id}`;
  const book = RowStates();
  const progress = makeRunPanel(page.querySelector("[data-run]"), { address, retry: retryRecords, collect: collectRecords, drop: dropRecords });
  const log = makeLog(page.querySelector("[data-log]"), { goTo: goToRecord });
  const wait = page.querySelector("[data-wait]");
  let batch = null;
  let built = false;
  let trouble = ""; // why nothing is heard
  let refusal = ""; // why the last order was not taken
  let isUnheard = false; // because the service could not be reached, which is no longer said when it can

  table.stateOf = book.stateOf;
  table.readOnly = true;
  table.element.classList.add("is-read-only");
  wait.hidden = Boolean(posted);
  if (posted) {
    table.rows.reset(posted);
    table.selection.leave();
  }

  const following = pollBatch(address, {
    onNews(news) {
      ({ batch } = news);
      book.add(news.records);
      if (!built && !(posted && book.count() === posted.length)) table.rows.reset(book.rows());
      built = true;
      for (const row of table.rows.all) row.seed = book.seedOf(row);
      uncover();
      progress.show(batch, book.all());
      log.add(news.log, news.log_left_out);
      table.view.later();
    },
    onTrouble: (failure) => {
      if (failure.status === 404) uncover();
      hear(failure.status === 0 ? _("连不上服务，正在重试…") : messageOf(failure));
    },
    onCalm: () => {
      if (isUnheard) refuse(null);
      hear("");
    },
    wanted: () => progress.notifies,
  });

  function hear(words) {
    trouble = words;
    progress.offline(trouble || refusal);
  }

  function refuse(failure) {
    refusal = failure ? messageOf(failure) : "";
    isUnheard = failure?.status === 0;
    progress.offline(trouble || refusal);
  }

  // Head and table come in together: nothing is pushed away.
  function uncover() {
    wait.hidden = true;
    page.classList.add("is-running");
    page.classList.remove("is-opening");
  }

  document.addEventListener("records-resolved", following.now);

  // Running rows count their seconds; only visible ones are drawn.
  setInterval(() => { if (batch?.counts.running > 0 && !document.hidden) table.view.later(); }, 1000);

  page.querySelector("[data-run]").addEventListener("click", (event) => {
    const button = event.target.closest("[data-command]");
    if (button) actions[button.dataset.command]?.();
  });

  const actions = {
    pause: () => order("pause", _("已暂停：正在生成的会做完，不再开始新的")),
    resume: () => order("resume", _("继续生成")),
    retry: () => retry(),
    copy: () => onCopy(book.rows().map((row) => ordered(unseeded(row, book.of(row))))),
    async cancel() {
      const answer = await order("cancel");
      if (!answer) return;
      const { undo, was_paused: paused, batch: { counts: { running } } } = answer;
      const dropped = _("已取消还没开始的 {n} 张，没有计费", { n: answer.cancelled });
      const words = running > 0 ? dropped + _("，正在生成的 {running} 张会做完", { running }) : dropped;
      offerUndo(words, () => uncancel({ records: undo, paused }), { whileShown: true });
    },
    async uncancel() {
      const n = resumableOf(book.all()).length;
      const sum = formatPrice(batch.estimated_cost === null ? NaN : batch.estimated_cost / batch.total * n);
      const agreed = await confirmCost({ title: _("继续剩下的 {n} 张？", { n }), text: _("约 {sum}。", { sum }), yes: _("继续 {n} 张", { n }) });
      if (agreed) await uncancel({}).catch(refuse);
    },
  };

  // The copy knows what it was made with: what is not changed in it is not paid for once more by itself.
  function ordered(row) {
    return { ...row, run: id, asked: requestDigest(row, table.columns) };
  }

  async function retry(body) {
    const answer = await order("retry", "", body);
    if (answer) table.say(requeuedMessage(_("{n} 张已重新排队", { n: answer.retried }), answer.batch));
  }

  async function uncancel(body) {
    refuse(null);
    const answer = await requestJson("POST", `${address}/uncancel`, body);
    following.now();
    document.dispatchEvent(new Event("poll-now"));
    table.say(requeuedMessage(_("{n} 张已重新排队", { n: answer.records }), answer.batch));
  }

  async function order(verb, word, body) {
    refuse(null);
    try {
      const answer = await (verb === "retry" ? post(`${address}/retry`, body) : requestJson("POST", `${address}/${verb}`));
      following.now();
      document.dispatchEvent(new Event("poll-now"));
      if (word) table.say(word);
      return answer;
    } catch (failure) {
      refuse(failure);
      return null;
    }
  }

  async function retryRecords(records) {
    if (await confirmRetry(records)) await retry({ records: records.map((record) => record.id) });
  }

  function collectRecords(records) {
    return settle((unresolved) => unresolved.fetchResult(idsOf(records)));
  }

  function dropRecords(records) {
    return settle((unresolved) => unresolved.writeOff(idsOf(records), { count: records.length, atStake: formatAmount(amountAtRisk(records)) }));
  }

  async function settle(action) {
    refuse(null);
    try {
      await action(await unresolvedActions());
    } catch (failure) {
      refuse(failure);
    }
  }

  function retryRow(row) {
    return retryRecords(book.of(row).filter(({ status }) => ["failed", "unknown", "cancelled"].includes(status)));
  }

  function goToRecord(recordId) {
    const index = table.rows.all.findIndex((row) => book.of(row).some((record) => record.id === recordId));
    if (index < 0) return;
    table.selection.goTo(index, table.columns.findIndex(({ kind }) => kind === "status"));
    table.editor.focus();
  }

  announce(_("批次已打开"));
  return { book, retryRow };
}

const RUNNING = 1000;
const AFTER_ERROR = 2000;
const ENDED = 10_000;
const HIDDEN = 15_000;

/** Poll batch `url`: onNews(answer) for each change, onTrouble(error) when there was no answer or it could not be rendered,
    onCalm() when there was one. wanted() says whether to go on while the page is hidden. Returns {now(), stop()}. */
function pollBatch(url, { onNews, onTrouble, onCalm, wanted }) {
  let version = 0;
  let hasEnded = false;

  async function load(memory) {
    const news = await fetchJsonIfChanged(`${url}?since=${version}`, memory);
    if (news) {
      onNews(news);
      version = news.version; // only now: what could not be rendered is sent again
      hasEnded = ["finished", "cancelled"].includes(news.batch.status);
    }
    onCalm();
  }

  const poller = poll(load, {
    interval: (hasFailed) => (document.hidden ? HIDDEN : hasFailed ? AFTER_ERROR : hasEnded ? ENDED : RUNNING),
    isPaused: () => document.hidden && !wanted(),
    onError(error) {
      onTrouble(error);
      if (error.status === 404) poller.stop();
    },
  });
  poller.now();
  return poller;
}

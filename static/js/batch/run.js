// A batch that was started: its rows with their states, its progress, and what can be done about it.

import { confirmRetry, formatAmount, amountAtRisk } from "./footer.js";
import { requestDigest } from "./post_rows.js";
import { RowStates, requeuedMessage } from "./row_states.js";
import { resumableOf, makeLog, makeRunPanel } from "./run_panel.js";
import { HttpError, requestJson, fetchJsonIfChanged, forgetVersion, messageOf } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { postOnce as post } from "../core/orders.js";
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

// Follows one batch by asking what changed: every second while it runs and is looked at, seldom otherwise.


const RUNNING = 1000;
const AGAIN = 2000;
const CALM = 10000;
const HIDDEN = 15000;

/** onNews(answer) for each change, onTrouble(error) when none is heard or drawn, onCalm() once it is again.
    Returns {now(), stop()}; wanted() says whether to go on asking while the page is hidden. */
function pollBatch(url, { onNews, onTrouble, onCalm, wanted = () => false }) {
  const memory = {};
  let version = 0;
  let ended = false;
  let stopped = false;
  let timer = 0;
  let asking = false;
  let trouble = false;

  async function beat() {
    clearTimeout(timer);
    if (stopped || asking || (document.hidden && !wanted())) return;
    asking = true;
    try {
      const news = await fetchJsonIfChanged(`${url}?since=${version}`, memory);
      if (news && !stopped) {
        onNews(news);
        version = news.version; // only now: what could not be drawn is asked for again
        ended = ["finished", "cancelled"].includes(news.batch.status);
      }
      trouble = false;
      onCalm();
    } catch (failure) {
      trouble = true;
      forgetVersion(memory);
      onTrouble(failure);
      if (failure instanceof HttpError && failure.status === 404) stopped = true;
    }
    asking = false;
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(beat, document.hidden ? HIDDEN : trouble ? AGAIN : ended ? CALM : RUNNING);
  }

  document.addEventListener("visibilitychange", beat);
  beat();
  return {
    now: beat,
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", beat);
    },
  };
}

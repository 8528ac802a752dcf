// 给客户看: makes a client's link, and lists the rounds of a table. Its state is below; what is on the screen follows from it in #show().

import { copyOf, create, parseHtml, show } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _, formatDay, parseTime } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { ask } from "../ui/ask.js";
import { copyText, showToast } from "../ui/toast.js";

const USUAL = 14 * 24 * 3600 * 1000; // ms until a round ends
const STATES = { open: [_("选图中"), "is-accent"], submitted: [_("已提交"), "is-good"], closed: [_("链接已收回"), ""] };
const ACTS = { open: ["renew", "close", "delete"], submitted: ["next", "reopen", "undo", "renew", "close", "delete"], closed: ["next", "renew", "delete"] };
const QUESTIONS = {
  renew: { title: _("换一个链接？"), text: _("原来的链接马上打不开，客户说的都还在。"), label: _("换一个链接") },
  delete: { title: _("删除这一轮？"), text: _("链接马上打不开，客户没有提交的选择和意见会丢掉。"), label: _("删除") },
};

export class Rounds {
  #dialog;
  #what = {};
  #state = {};

  constructor(dialog) {
    this.#dialog = dialog;
    this.#part("[data-rounds-form]").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make();
    });
    const { profile, watermark } = this.#part("[data-rounds-form]").elements; // the usual one where nothing is downloaded, unless other words were typed
    profile.addEventListener("change", () => { if (["", watermark.defaultValue].includes(watermark.value)) watermark.value = profile.value ? "" : watermark.defaultValue; });
    dialog.addEventListener("click", ({ target }) => this.#press(target.closest("button")));
  }

  /** what: {table: id, rows: ids, or null for all, title}. */
  async open(what) {
    this.#what = what;
    this.#state = { view: "", rounds: [], profiles: [], reason: "", error: "", link: null, isCopied: false };
    this.#set({});
    this.#dialog.showModal();
    await this.#try(async () => {
      const [, { profiles }] = await Promise.all([this.#load(), requestJson("GET", this.#dialog.dataset.profilesUrl)]);
      this.#part("[name=profile]").append(...profiles.map(({ name }) => create("option", { value: name, textContent: name })).slice(this.#part("[name=profile]").length - 1));
      if (what.rows || this.#state.rounds.length === 0) this.#begin();
      else this.#set({ view: "past" });
    });
  }

  #part(selector) { return this.#dialog.querySelector(selector); }
  #url(name, id) { return this.#dialog.dataset[name].replace("/0", `/${id}`); }

  #set(changes) {
    Object.assign(this.#state, changes);
    const { view, rounds, reason, error, link, isCopied } = this.#state;
    show(this.#dialog, {
      "[data-rounds-of]": this.#what.title,
      "[data-rounds-reason]": { textContent: reason, hidden: !reason || view === "link" },
      "[data-rounds-error]": { textContent: error, hidden: !error },
      "[data-rounds-past]": { hidden: view !== "past" },
      "[data-rounds-form]": { hidden: view !== "form" },
      "[data-rounds-form] [type=submit]": { disabled: Boolean(reason) },
      "[data-rounds-form] [data-rounds-back]": { hidden: rounds.length === 0 },
      "[data-rounds-link]": { hidden: view !== "link" },
      "[data-rounds-copy]": isCopied ? _("已复制") : _("复制"),
    });
    if (link) show(this.#dialog, { "[data-rounds-told]": _("{client}的第 {n} 轮做好了，把链接发过去：", { client: link.round.client, n: link.round.number }), "[data-rounds-address]": { value: link.link } });
  }

  async #try(work) {
    const { activeElement: at } = document;
    const pressed = at.closest("form")?.querySelector("[type=submit]") ?? at.closest("[data-round-act]");
    this.#set({ error: "" });
    if (pressed) pressed.dataset.busy = "";
    await attempt(work, (error) => this.#set({ error }));
    delete pressed?.dataset.busy;
  }

  async #load() {
    const { rounds, reachable, reason, watermark } = await requestJson("GET", this.#url("roundsUrl", this.#what.table));
    this.#part("[data-rounds-list]").replaceChildren(...rounds.map((round) => this.#item(round, rounds)));
    this.#part("[data-rounds-clients]").replaceChildren(...[...new Set(rounds.map(({ client }) => client))].map((value) => create("option", { value })));
    this.#part("[name=watermark]").defaultValue = watermark;
    this.#set({ rounds, reason: reachable ? "" : reason });
    if (document.activeElement === document.body) this.#part("[data-rounds-new]").focus(); // the item that had the focus was drawn anew
  }

  #item(round, rounds) {
    const { client, number, state, pictures, chosen, rejected, comments, at_most: most, ends_at: end, person } = round;
    const [word, tone] = state === "open" && parseTime(end) < Date.now() ? [_("已到期"), "is-warn"] : STATES[state];
    const facts = [
      _("{n} 张图", { n: pictures }), most ? _("已选 {n} / 最多 {most}", { n: chosen, most }) : _("已选 {n} 张", { n: chosen }),
      rejected > 0 ? _("{n} 张不要", { n: rejected }) : "", comments > 0 ? _("写了 {n} 句话", { n: comments }) : "",
      state === "open" ? _("{day}截止", { day: formatDay(new Date(parseTime(end))) }) : "", person ?? "",
    ];
    const item = copyOf(this.#part("[data-rounds-template]"), {
      "": { data: { round: round.id } }, "[data-round-client]": client, "[data-round-number]": _("第 {n} 轮", { n: number }),
      "[data-round-state]": { textContent: word, className: `chip ${tone}` }, "[data-round-facts]": facts.filter(Boolean).join(" · "),
    });
    const isOld = rounds.some((other) => other.client === client && other.number > number);
    for (const button of item.querySelectorAll("[data-round-act]")) {
      const { roundAct: act } = button.dataset;
      button.hidden = !ACTS[state].includes(act) || (act === "undo" && !round.submitted_version) || (isOld && ["next", "reopen"].includes(act));
    }
    return item;
  }

  #begin() {
    this.#part("[name=ends_at]").valueAsDate = new Date(Date.now() + USUAL);
    this.#set({ view: "form", error: "" });
    this.#part("[name=client]").focus();
  }

  #make() {
    const { at_most: most, profile, ...fields } = Object.fromEntries(new FormData(this.#part("[data-rounds-form]")));
    const asked = { ...fields, at_most: most ? Number(most) : null, download: profile ? "chosen" : "none", ...(profile && { profile }), ...(this.#what.rows && { rows: this.#what.rows }) };
    return this.#link(() => postOnce(this.#url("roundsUrl", this.#what.table), asked));
  }

  /** Show the link that a call answers. */
  #link(call) {
    return this.#try(async () => {
      const link = await call();
      this.#part("[data-rounds-code]").replaceChildren(parseHtml(link.qr));
      this.#set({ view: "link", link, isCopied: false });
      this.#part("[data-rounds-copy]").focus();
      await this.#load();
    });
  }

  #press(button) {
    const { dataset = {} } = button ?? {};
    if ("roundsNew" in dataset) this.#begin();
    else if ("roundsBack" in dataset) this.#back();
    else if ("roundsCopy" in dataset) this.#copy();
    else if (dataset.roundAct) this.#act(dataset.roundAct, this.#state.rounds.find(({ id }) => id === button.closest("[data-round]").dataset.round));
  }

  /** To the list, which says what clients did meanwhile. */
  #back() {
    this.#set({ view: "past" });
    return this.#try(() => this.#load());
  }

  /** Where the clipboard is closed to pages (over http), the keys copy what is selected. */
  async #copy() {
    const isCopied = await copyText(this.#state.link.link);
    this.#set({ isCopied });
    this.#part("[data-rounds-address]").select();
    if (!isCopied) showToast(_("链接已选中，请按 Ctrl+C 复制"));
  }

  async #act(act, round) {
    const url = this.#url("roundUrl", round.id);
    const question = QUESTIONS[act];
    if (question && !await ask({ name: "round", title: question.title, text: question.text, choices: [{ label: question.label, isPrimary: true }] })) return undefined;
    if (act === "next") return this.#link(() => postOnce(`${url}/next`));
    if (act === "renew") return this.#link(() => requestJson("POST", `${url}/renew`));
    const undo = ["POST", this.#url("undoUrl", this.#what.table), { version: round.submitted_version }];
    return this.#try(async () => {
      await requestJson(...({ undo, delete: ["DELETE", url] }[act] ?? ["POST", `${url}/${act}`]));
      await this.#load();
      if (act === "undo") showToast(_("已撤销，表格和提交前一样"));
    });
  }
}

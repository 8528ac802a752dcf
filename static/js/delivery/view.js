// What the dialog 交付 shows: show() writes everything that the dialog owns, but the form.

import { checkGroups, problemGroups, profileWords, sourceWords, sumWords } from "./words.js";
import { apply, copyOf, create, jsonOf, reconcileChildren, show } from "../core/dom.js";
import { _, formatClock, formatDay, parseTime } from "../core/i18n.js";

const MOST_SHOTS = 14;
const MOST_ROWS = 16; // of a kind of problem
const MOST_FILES = 60; // of a check
const NOTHING = { files: 0, made: 0, failed: 0, bytes: 0 };
const dayWords = (at, made = new Date(parseTime(at))) => `${formatDay(made)} ${formatClock(made)}`;
const keyOf = ({ dataset }) => dataset.key;
const moreThan = (most, { length: n }) => (n > most ? create("span", { className: "hint", textContent: _("还有 {n} 个", { n: n - most }) }) : "");

export class DeliveryView {
  #dialog;
  #state = {};
  #what = {};
  #rules; // their names

  /** commands: see dialog.js. */
  constructor(dialog, commands) {
    this.#dialog = dialog;
    this.#rules = jsonOf(dialog, "rules");
    const presses = {
      "[data-delivery-pick]": ({ deliveryPick: pick }) => commands.choose({ pick }),
      "[data-delivery-changed]": ({ deliveryChanged: since, deliveryProfile: profile }) => commands.choose({ since, profile }),
      "[data-delivery-resume]": ({ deliveryResume: id, deliveryProfile: profile }) => commands.resume({ profile, job: { id, files: [], total: NOTHING } }),
      "[data-delivery-counters]": () => { commands.choose({ counters: true }); this.focus(); },
      "[data-delivery-row]": ({ deliveryRow: row }) => commands.goToRow(Number(row)),
      "[data-delivery-edit]": commands.edit, "[data-delivery-copy]": commands.copy, "[data-delivery-delete]": commands.remove,
      "[data-delivery-make]": () => commands.make("zip"), "[data-delivery-folder]": () => commands.make("folder"), "[data-delivery-stop]": commands.stop,
    };
    dialog.addEventListener("click", ({ target }) => {
      const hook = Object.keys(presses).find((selector) => target.closest(selector));
      if (hook) presses[hook](target.closest(hook).dataset);
    });
    dialog.addEventListener("change", ({ target }) => {
      if (target.name === "delivery-profile") commands.choose({ profile: target.value, since: "" });
      if (target.name === "by_product") commands.choose({ byProduct: target.checked });
      if (target.name === "columns") commands.toggle({ columns: [...dialog.querySelectorAll("[name=columns]:checked")].map(({ value }) => value) });
      if (target.matches("[data-delivery-switch]")) commands.toggle({ [target.name]: target.checked });
    });
    dialog.addEventListener("keydown", ({ key, target }) => { if (key === "Enter" && target.name === "delivery-profile") commands.make("zip"); });
  }

  /** To the profile that is chosen, or to the next step. */
  focus() {
    (this.#find(this.#state.job ? "[data-delivery-make]" : "[data-delivery-profiles] input:checked") ?? this.#find("[data-close]")).focus();
  }

  show(state, what) {
    this.#state = state;
    this.#what = what;
    const { plan, job, pick, isForm, isPlanning } = state;
    const isRunning = Boolean(job?.isRunning);
    const { total, files = [] } = job ?? plan ?? {};
    const groups = { problems: problemGroups((job ?? plan)?.problems ?? [], pick), ...checkGroups(files, this.#rules) };
    const [sum, notes] = sumWords(state, groups);
    show(this.#dialog, {
      "[data-delivery-title]": isForm ? _("自己的规格") : _("交付"), "[data-delivery-of]": isForm ? "" : what.title ?? "",
      "[data-delivery-form]": { hidden: !isForm }, "[data-delivery-choose]": { hidden: isForm }, "[data-delivery-footer]": { hidden: isForm },
      "[data-delivery-plan]": { ariaBusy: String(isPlanning || isRunning), classes: { "is-waiting": isPlanning } },
      "[data-delivery-error]": { textContent: state.error, hidden: !state.error }, "[data-delivery-sum]": sum, "[data-delivery-notes]": notes,
      "[data-delivery-bar]": { hidden: !job || Boolean(job.isDone), max: total?.files || 1, value: job ? total.made + total.failed : 0 },
      "[data-delivery-saved]": { hidden: !job?.folder, textContent: _("已存到 {folder}", { folder: job?.folder ?? "" }) },
      "[data-delivery-example]": files[0] ? _("名字像这样：{path}", { path: files[0].name }) : "",
      "[data-delivery-fits]": groups.passed.length > 0 ? _("符合我们知道的尺寸：{names}", { names: groups.passed.join(_("、")) }) : "",
      "[data-delivery-unchecked]": groups.open.length > 0 ? _("没有检查：{names}", { names: groups.open.join(_("、")) }) : "",
      "[data-delivery-source]": sourceWords(this.#profile),
    });
    if (!isRunning && !isPlanning) show(this.#dialog, { "[data-delivery-said]": sum + notes });
    this.#showProfiles(state, isRunning);
    this.#showShots(files.slice(0, MOST_SHOTS), job);
    this.#showGroups(groups);
    this.#showChoices(state, isRunning);
    this.#showColumns(state);
    this.#showHistory(state, isRunning);
  }

  #find(hook) { return this.#dialog.querySelector(hook); }
  #thumbnail(id) { return this.#dialog.dataset.thumbnailUrl.replace("/0", `/${id}`); }
  get #profile() { return this.#state.profiles.find(({ name }) => name === this.#state.profile) ?? {}; }

  #showProfiles({ profiles, profile }, disabled) {
    const [list, template] = [this.#find("[data-delivery-profiles]"), this.#find("[data-delivery-template]")];
    reconcileChildren(list, profiles.map((one) => copyOf(template, {
      "": { data: { key: `${one.name} ${profileWords(one)}` } },
      input: { value: one.name }, "[data-profile-name]": one.label, "[data-profile-words]": profileWords(one),
    })), keyOf);
    for (const input of list.querySelectorAll("input")) apply(input, { checked: input.value === profile, disabled });
    const hidden = this.#profile.built_in !== false;
    show(this.#dialog, { "[data-delivery-edit]": { hidden, disabled }, "[data-delivery-delete]": { hidden, disabled }, "[data-delivery-copy]": { disabled } });
  }

  /** The first pictures as the profile frames them; while they are made, those that are not yet stay pale. */
  #showShots(files, job) {
    const { width, height, fit, background = "" } = this.#profile;
    const isFramed = fit === "pad" || fit === "crop";
    const shots = this.#find("[data-delivery-shots]");
    const draw = ({ name, record_id: id }) => create("li", { data: { key: name } }, create("img", { src: this.#thumbnail(id), alt: "", decoding: "async" }));
    reconcileChildren(shots, files.map(draw), keyOf);
    files.forEach(({ bytes, width: own, height: tall }, index) => {
      const shot = shots.children[index];
      shot.style.aspectRatio = isFramed ? `${width} / ${height}` : `${own || 1} / ${tall || 1}`;
      shot.style.background = isFramed && background.startsWith("#") ? background : "";
      shot.firstElementChild.style.objectFit = fit === "crop" ? "cover" : "contain";
      apply(shot, { classes: { "is-waiting": job && !job.isDone && bytes === null } });
    });
  }

  /** Problems with the rows to go to, then what is wrong with files, with their pictures. */
  #showGroups({ problems, failed }) {
    const [list, template] = [this.#find("[data-delivery-groups]"), this.#find("[data-delivery-group]")];
    reconcileChildren(list, [...problems.map((group) => this.#problem(group)), ...failed.map(({ key }) => copyOf(template, { "": { data: { key } } }))], keyOf);
    failed.forEach(({ words, files }, index) => {
      const group = list.children[problems.length + index];
      if (group.dataset.words === words) return;
      apply(group, { data: { words } });
      show(group, { "[data-group-words]": words });
      group.lastElementChild.replaceChildren(...files.slice(0, MOST_FILES).map((file) => this.#file(file)), moreThan(MOST_FILES, files));
    });
  }

  #problem({ kind, words, rows }) {
    const canGo = Boolean(this.#what.goToRow);
    const chips = rows.slice(0, MOST_ROWS).map(({ row, error }) => create(canGo ? "button" : "span", {
      className: "chip", textContent: String(row), title: error, ...(canGo && { type: "button", ariaLabel: _("第 {row} 行：{error}", { row, error }), data: { deliveryRow: row } }),
    }));
    const what = [create("span", { className: "delivery-kind", textContent: words }), create("span", { className: "hint", textContent: ["pick", "column"].includes(kind) ? "" : rows[0].error })];
    const mend = kind === "same_name" ? create("button", { type: "button", className: "button is-small", textContent: _("给重名的加上序号"), data: { deliveryCounters: "" } }) : "";
    return create("div", { className: "delivery-problem", data: { key: `${words} ${rows.map(({ row }) => row)}` } }, ...what, create("p", {}, ...chips, moreThan(MOST_ROWS, rows), mend));
  }

  #file({ record_id: id, name, seen }) {
    const file = name.split("/").at(-1);
    const title = [file, seen].filter(Boolean).join(" · ");
    return create("a", { className: "delivery-file", href: `${this.#dialog.dataset.recordUrl}?record=${id}`, target: "_blank", title },
      create("img", { src: this.#thumbnail(id), alt: "", loading: "lazy" }), create("span", { className: "truncate", textContent: file }), create("span", { className: "line-clamp", textContent: seen ?? "" }));
  }

  #showChoices({ plan, job, pick, since, note, workbook, byProduct }, isRunning) {
    const { records, table } = this.#what;
    const { keep, all } = plan?.counts ?? { keep: 0, all: 0 };
    const isEmpty = job ? Boolean(job.isDone) && job.total.made === 0 : !plan?.files.length;
    show(this.#dialog, {
      "[data-delivery-picks]": { hidden: Boolean(records || since || job) || !plan },
      '[data-delivery-pick="keep"]': { textContent: _("留下的 {n}", { n: keep }), ariaPressed: String(pick === "keep") },
      '[data-delivery-pick="all"]': { textContent: _("全部 {n}", { n: all }), ariaPressed: String(pick === "all") },
      "[data-delivery-choices]": { hidden: Boolean(job) || !plan }, "[name=note]": { checked: note ?? this.#profile.note }, "[name=workbook]": { checked: workbook ?? this.#profile.workbook }, "label:has([name=workbook])": { hidden: !table },
      "[name=by_product]": { checked: byProduct }, "label:has([name=by_product])": { hidden: !plan?.by_product },
      "[data-delivery-sheet]": { hidden: !table || isRunning, href: `${this.#dialog.dataset.sheetUrl.replace("/0/", "/" + table + "/")}?pick=${pick}` },
      "[data-delivery-folder]": { hidden: !("maySaveFolder" in this.#dialog.dataset) || isRunning, disabled: isEmpty }, "[data-delivery-stop]": { hidden: !isRunning },
      "[data-delivery-make]": {
        textContent: !job ? _("做好并下载") : isRunning ? _("正在做…") : job.isDone ? _("再下载一次") : _("接着做"), ariaDisabled: String(isEmpty || isRunning),
      },
    });
  }

  /** The own columns that the list can have besides those that names and folders use. */
  #showColumns({ plan, job, own, columns, byProduct, workbook }) {
    const { folder = "", file_name: name = "", columns: usual = [], workbook: isListed } = { ...this.#profile, ...(byProduct ? plan?.by_product : null) };
    const used = new Set(Array.from(`${folder}${name}`.matchAll(/\{([^{}]+)\}/g), ([, column]) => column.trim().toLowerCase()));
    const others = own.filter((column) => !used.has(column.trim().toLowerCase()));
    const list = this.#find("[data-delivery-columns]");
    const draw = (column) => create("label", { data: { key: column } }, create("input", { type: "checkbox", name: "columns", value: column }), create("span", { className: "truncate", textContent: column }));
    reconcileChildren(list, others.map(draw), keyOf);
    for (const input of list.querySelectorAll("input")) apply(input, { checked: (columns ?? usual).includes(input.value) });
    show(this.#dialog, { "[data-delivery-listed]": { hidden: Boolean(job) || !plan || !(workbook ?? isListed) || others.length === 0 } });
  }

  #showHistory({ profiles, history, isForm, job }, isRunning) {
    const link = (textContent, data) => create("button", { type: "button", className: "button is-link", textContent, data });
    show(this.#dialog, { "[data-delivery-history]": { hidden: isForm || history.length === 0 } });
    this.#find("[data-delivery-past]").replaceChildren(...history.map(({ id, profile, created_at: at, files: n, changed, person }) => create("li", {},
      create("span", { className: "truncate", textContent: _("{day} {profile} {n} 个", { day: dayWords(at), profile: profiles.find(({ name }) => name === profile)?.label ?? profile, n }) + (person ? ` · ${person}` : "") }),
      ...(changed > 0 && !isRunning ? [link(_("交付后改过 {n} → 只交付改过的", { n: changed }), { deliveryChanged: id, deliveryProfile: profile })] : []),
      ...(isRunning || id === job?.id ? [] : [link(_("再下载一次"), { deliveryResume: id, deliveryProfile: profile })]))));
  }
}

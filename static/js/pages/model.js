// 模型与密钥: each card's form is saved, and its key tested, in place; the cards then follow what was saved.

import { apply, parseHtml, show as showParts } from "../core/dom.js";
import { fetchHtmlIfChanged, messageOf, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { copyText, offerUndo, showToast } from "../ui/toast.js";

const page = document.querySelector("[data-settings-url]");

page.addEventListener("submit", (event) => {
  if (event.target.matches("[data-plain]")) return; // a new page says the rest
  event.preventDefault();
  const button = event.submitter ?? event.target.querySelector('[value="save"]');
  run(event.target, button, button.value === "test" ? testKey : save);
});

page.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-command]");
  if (button?.dataset.command === "copy-path") copyPath(button.dataset);
  else if (button) run(button.form, button, testNotification);
});

/** Call an action once at a time; its sentence, or why it failed, is shown in the card. */
async function run(form, button, action) {
  if (button.getAttribute("aria-disabled")) return;
  const { id } = form.closest("section");
  apply(button, { ariaDisabled: "true", data: { busy: "" } });
  for (const error of form.querySelectorAll("[data-error]")) setError(error, "");
  try {
    await action(form, button);
  } catch (failure) {
    const shown = formOf(id); // a fresh one, if a part was saved
    const error = shown.querySelector(`#error-${failure.field || "none"}`);
    if (error) setError(error, messageOf(failure));
    show(shown, error ? "" : "is-bad", error ? "" : messageOf(failure));
  }
  apply(button, { ariaDisabled: null, data: { busy: null } });
}

const formOf = (id) => document.getElementById(id).querySelector("form");

async function save(form, button) {
  const { id } = form.closest("section");
  const [changes, field] = [changesOf(form, button), form.querySelector("[data-my-name]")];
  const name = field?.value.trim();
  if (name) await requestJson("PATCH", field.dataset.myName, { name });
  if (name && Object.keys(changes).length === 0) await answered(id, { text: _("已保存"), result: "good" });
  else await put(id, changes);
  focusAgain(id, button);
}

/** What was deleted is put back by the server, which alone has it. */
async function put(id, changes) {
  await answered(id, await requestJson("PUT", page.dataset.settingsUrl, changes));
}

async function answered(id, { text, result, undo }) {
  await refresh(id);
  if (undo) offerUndo(text, () => put(id, { undo }));
  else show(formOf(id), `is-${result}`, text);
}

/** The focus goes to the same button of the fresh card. */
function focusAgain(id, { value }) {
  const fresh = formOf(id);
  const isElsewhere = document.activeElement.matches(".input"); // something else is being typed by now
  if (!isElsewhere) (fresh.querySelector(`[value="${value}"]`) ?? fresh.querySelector("[data-result]")).focus();
  document.dispatchEvent(new Event("poll-now"));
}

/** {variable: value} that a button saves; a secret that was left empty stays. */
function changesOf(form, { value: action, dataset }) {
  if (action === "successor") return { [dataset.variable]: dataset.value };
  const fields = [...form.querySelectorAll("[name]:enabled")].filter((field) => field.id);
  if (action === "clear") return Object.fromEntries(fields.filter(({ dataset: { stored } }) => stored).map(({ name }) => [name, ""]));
  const typed = Object.fromEntries(fields.filter(isChanged).map(({ name, value }) => [name, value]));
  return action === "default" ? { ...typed, IMAGE_MODEL: form.elements.provider.value } : typed;
}

function isChanged(field) {
  const before = field.defaultValue ?? [...field.options].find((option) => option.defaultSelected)?.value ?? "";
  return field.value !== before;
}

/** Show what is stored now; a card in which something else was typed stays. */
async function refresh(saved) {
  const { html } = await fetchHtmlIfChanged("/model", {});
  const fresh = parseHtml(html);
  for (const card of page.querySelectorAll("section")) {
    const isTyped = card.id !== saved && [...card.querySelectorAll(".input")].some(isChanged);
    const isOpen = card.querySelector("details")?.open;
    const next = fresh.getElementById(card.id);
    if (isTyped || !next) continue;
    if (isOpen) next.querySelector("details")?.setAttribute("open", "");
    card.replaceWith(next);
  }
}

/** Test the key as it stands in the card: what was typed is saved first. */
async function testKey(form, button) {
  const { id } = form.closest("section");
  if (Object.keys(changesOf(form, button)).length > 0) await save(form, button);
  const fresh = formOf(id);
  show(fresh, "", _("正在测试，最多 10 秒…"));
  try {
    const { verified, text } = await requestJson("POST", button.dataset.url);
    await refresh(id);
    show(formOf(id), verified ? "is-good" : "is-open", text);
  } catch (failure) {
    await refresh(id).catch(() => null); // it says that the key was refused
    throw failure;
  } finally {
    focusAgain(id, button);
  }
}

async function copyPath({ path }) {
  showToast(await copyText(path) ? _("已复制文件的位置") : _("请手动复制：{path}", { path }));
}

async function testNotification(form, { dataset }) {
  show(form, "", _("正在发，最多 10 秒…"));
  const { receiver } = await requestJson("POST", dataset.url);
  show(form, "is-good", _("{receiver}收下了。", { receiver }));
}

function show(form, tone, text) {
  showParts(form, { "[data-result]": { className: `model-result ${tone}`, textContent: text } });
}

function setError(error, text) {
  const field = error.closest(".field").querySelector(".input");
  error.textContent = text;
  apply(field, { ariaInvalid: text ? "true" : null });
  if (!text) return;
  field.closest("details")?.setAttribute("open", "");
  field.focus();
}

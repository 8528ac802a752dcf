// 人员: each form and button is one call of the API; the page is loaded anew after it, but where something is shown once.

import { readAmount } from "../core/amounts.js";
import { parseHtml, show } from "../core/dom.js";
import { attempt, fetchHtmlIfChanged, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { ask } from "../ui/ask.js";
import { copyText, showError, showToast } from "../ui/toast.js";

const page = document.querySelector("[data-people]");

/** Call, then `done(answer)`; a refusal is said beside what was pressed. */
function call(holder, method, url, body, done = () => location.reload()) {
  const say = (sentence) => (holder.querySelector("[data-error]") ? show(holder, { "[data-error]": sentence }) : showError(sentence));
  return attempt(async () => {
    const answer = await requestJson(method, url, body);
    show(holder, { "[data-error]": "" });
    done(answer);
  }, say);
}

/** Show a link or a token, which is never shown again, and the lists as they are now. */
async function reveal(kind, value) {
  const secret = page.querySelector(`[data-secret="${kind}"]`);
  secret.hidden = false;
  show(secret, { "[data-value]": { value } });
  secret.querySelector("[data-value]").select();
  secret.scrollIntoView({ block: "nearest" });
  const fresh = await fetchHtmlIfChanged(location.href, {}).catch(() => null);
  const lists = fresh ? [...parseHtml(fresh.html).querySelectorAll("[data-list]")] : [];
  for (const list of lists) page.querySelector(`[data-list="${list.dataset.list}"]`)?.replaceWith(list);
}

const made = {
  link: ({ link }) => reveal("link", link),
  token: ({ token }) => reveal("token", token),
  name: () => location.reload(),
  password: () => showToast(_("密码换好了，别处的登录已结束")),
};

page.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const kind = form.dataset.make;
  const body = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
  call(form, form.dataset.method ?? "POST", form.action, body, (answer) => {
    form.reset();
    made[kind](answer);
  });
});

page.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-save]")) return;
  const value = target.name === "month_limit" ? readAmount(target.value) : target.value;
  const person = target.closest("[data-url]");
  call(person, "PATCH", person.dataset.url, { [target.name]: value }, () => showToast(_("已保存")));
});

page.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  const person = button?.closest("[data-url]");
  if (button?.matches("[data-copy]")) copySecret(button);
  if (button?.matches("[data-invite]")) call(person, "POST", button.dataset.invite, null, made.link);
  if (button?.matches("[data-delete]")) call(button, "DELETE", button.dataset.delete);
  if (button?.matches("[data-switch=on]")) call(person, "PATCH", person.dataset.url, { active: true });
  if (button?.matches("[data-switch=off]")) switchOff(person);
});

async function copySecret(button) {
  if (await copyText(button.parentElement.querySelector("[data-value]").value)) showToast(_("已复制"));
}

async function switchOff(person) {
  const choice = await ask({
    name: "switch-off",
    title: _("停用 {name}？", { name: person.dataset.name }),
    text: _("登录和令牌马上失效；做过的都还在，以后可以再启用。他在做的批次要暂停吗？"),
    choices: [{ label: _("停用，批次接着做"), how: "go_on" }, { label: _("停用并暂停批次"), how: "pause" }],
  });
  if (choice) call(person, "PATCH", person.dataset.url, { active: false, runs: choice.how });
}

page.dataset.ready = "";

// 模型与密钥: tests of the key and of the receiver of notifications, which may take ten seconds, and say so.

import { messageOf, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

document.querySelector("[data-key-test]").addEventListener("submit", (event) => {
  const button = event.target.querySelector("button");
  const result = event.target.querySelector("[data-result]");
  if (button.getAttribute("aria-disabled")) return event.preventDefault();
  button.setAttribute("aria-disabled", "true");
  result.className = "model-result";
  result.textContent = _("正在测试，最多 10 秒…");
  return undefined;
});

document.querySelector('[data-command="notify-test"]')?.addEventListener("click", async ({ target }) => {
  const result = document.querySelector("[data-notify-result]");
  if (target.getAttribute("aria-disabled")) return;
  target.setAttribute("aria-disabled", "true");
  show("", _("正在发，最多 10 秒…"));
  try {
    const { receiver } = await requestJson("POST", target.dataset.url);
    show("is-good", _("{receiver}收下了。", { receiver }));
  } catch (failure) {
    show("is-bad", messageOf(failure));
  }
  target.removeAttribute("aria-disabled");

  function show(tone, text) {
    result.className = `model-result ${tone}`;
    result.textContent = text;
  }
});

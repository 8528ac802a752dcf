// 模型与密钥: the test may take ten seconds, and says so.

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

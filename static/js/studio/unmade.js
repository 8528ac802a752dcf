// What did not become a picture: failed and cancelled cards, which have data-ended-at. They shrink to one line after a minute,
// or with the next request (requests.js), and can be removed all at once. Cards whose outcome is unknown are not among them.

import { removesCards } from "./requests.js";
import { _ } from "../core/i18n.js";
import { runCommand } from "../records/actions.js";
import { runInPlace } from "../ui/in_place.js";

const PROMINENT_MS = 60_000; // as in single_results.py
const CHECKED_EVERY_MS = 10_000;
const OFFERED_FROM = 2; // cards

/** Returns update(), to be called when cards have changed. */
export function bindUnmade(section, list) {
  const button = section.querySelector("[data-clear-unmade]");
  const page = {
    deletedMessage: (_label, n) => _("已删除失败和取消的 {n} 张", { n }),
    deleting: removesCards(list),
  };

  function update() {
    shrinkOld(list);
    const { length: n } = unmade(list);
    button.hidden = n < OFFERED_FROM;
    button.textContent = _("清除失败和取消的 {n} 张", { n });
  }

  button.addEventListener("click", async () => {
    const ids = unmade(list).map(({ dataset }) => Number(dataset.recordId));
    await runInPlace(section, () => runCommand("delete", { ids }, { page }), button);
    update();
    if (button.hidden) section.querySelector("a, button:not([hidden])")?.focus({ preventScroll: true });
  });
  setInterval(update, CHECKED_EVERY_MS);
  return update;
}

/** Those that ended a minute ago; not the one that is being used. */
function shrinkOld(list) {
  const isOld = ({ dataset }) => Date.now() - Date.parse(dataset.endedAt) > PROMINENT_MS;
  for (const card of unmade(list)) {
    if (isOld(card) && !card.matches(":hover, :focus-within")) card.classList.add("is-line");
  }
}

function unmade(list) {
  return [...list.querySelectorAll("[data-ended-at]")];
}

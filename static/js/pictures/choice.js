// The buttons of the pictures: keep, reject, and try again what failed.

import { runCommand, runInPlace, targetOf } from "../records/actions.js";

/** Bind the buttons of `page`. onSent() is called after each command that was taken. Returns {choose(name, picture)}. */
export function bindChoices(page, { onSent }) {
  const list = page.querySelector("[data-picture-rows]");

  /** Run a command on a picture; why it failed is shown below it. */
  async function run(name, picture, button) {
    await runInPlace(picture, async () => {
      await runCommand(name, targetOf(picture), { record: picture, button });
      onSent();
    }, button, name);
  }

  list.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-record-id] [data-command]");
    if (button) run(button.dataset.command, button.closest("[data-record-id]"), button);
  });

  // The choice also changes in the large view, and when it is undone.
  new MutationObserver((changes) => changes.forEach(({ target }) => showPressed(target))).observe(list, { subtree: true, attributeFilter: ["data-pick"] });
  document.addEventListener("pick-undone", onSent);

  return {
    choose(name, picture) {
      if (picture.querySelector(`[data-command="${name}"]`)) run(name, picture);
    },
  };
}

function showPressed(picture) {
  for (const button of picture.querySelectorAll("[aria-pressed]")) {
    button.setAttribute("aria-pressed", String(button.dataset.command === picture.dataset.pick));
  }
}

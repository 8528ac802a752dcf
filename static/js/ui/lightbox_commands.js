// The commands of the large view: which there are for an image, and how their buttons stand. `host`: see lightbox.js.

/** Whether the host runs this command. */
export function isHosted(host, item, name) {
  return Boolean(host.commands?.(item).includes(name));
}

/** The button of the item itself for this command. */
export function buttonOf(item, name) {
  return item?.querySelector(`[data-command="${name}"]`);
}

export function isOffered(host, item, name) {
  return isHosted(host, item, name) || Boolean(buttonOf(item, name));
}

/** Show the buttons for an image, and how many of `items` are kept and rejected: those of the list, none if it goes on beyond them. */
export function showCommands(dialog, host, item, items) {
  for (const button of dialog.querySelectorAll("[data-command]")) {
    const { command } = button.dataset;
    button.hidden = !isOffered(host, item, command);
    if (button.hidden || !button.hasAttribute("aria-pressed")) continue;
    const isOn = Boolean(host.isOn?.(command, item));
    button.setAttribute("aria-pressed", String(isOn));
    const count = button.querySelector("[data-pick-count]");
    if (count) count.textContent = items.filter((one) => host.isOn(command, one)).length || "";
  }
  const menu = dialog.querySelector("[data-lightbox-more]");
  menu.hidden = !menu.querySelector("[data-command]:not([hidden])");
}

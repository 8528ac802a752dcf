// The theme of the page, and the button of the top bar that changes it.

import { apply } from "../core/dom.js";
import { _ } from "../core/i18n.js";
import { saveItem } from "../core/storage.js";

/** By name ("": that of the system): [word, icon]. */
export const THEMES = { "": [_("跟随系统"), "theme"], light: [_("浅色"), "light"], dark: [_("深色"), "dark"] };

const root = document.documentElement;
const switchButton = document.querySelector("[data-theme-switch]");

export function currentTheme() {
  return root.dataset.theme || "";
}

/** Choose a theme by its name, for this browser. */
export function setTheme(name) {
  apply(root, { data: { theme: name || null } });
  render();
  saveItem("theme", name);
}

export function bindThemeSwitch() {
  switchButton.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    setTheme(names[(names.indexOf(currentTheme()) + 1) % names.length]);
  });
  render();
}

function render() {
  const [word, icon] = THEMES[currentTheme()];
  apply(switchButton, { title: _("外观：{word}", { word }), ariaLabel: _("外观：{word}，按下切换", { word }) });
  switchButton.firstElementChild.className = `icon icon-${icon}`;
}

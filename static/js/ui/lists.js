// What a page loads when one of these lists is first opened.

import { openCommandList } from "./command_list.js";
import { openPromptList } from "./prompt_list.js";
import { openShortcutList } from "./shortcut_list.js";

export const lists = { commands: openCommandList, prompts: openPromptList, shortcuts: openShortcutList };

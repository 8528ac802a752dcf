// 示例图: the pictures can be seen large.

import { lightbox } from "../lightbox.js";

const list = document.querySelector("[data-samples]");

if (list) lightbox(list);

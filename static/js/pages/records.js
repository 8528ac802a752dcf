// 生成记录: large view and actions of the rows.

import { tiles } from "../tiles.js";

const list = document.querySelector("[data-records]");

if (list) tiles(list);

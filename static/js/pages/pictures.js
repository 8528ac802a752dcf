// 看图: wires its parts together.

import { followBatch } from "../pictures/follow.js";
import { cardViewer } from "../records/card_viewer.js";
import { removeMissingRecords } from "../ui/image_fallback.js";
import { lightbox } from "../ui/lightbox.js";

const page = document.querySelector("[data-pictures-page]");

lightbox.host = cardViewer;
removeMissingRecords(page);
followBatch(page);
page.dataset.ready = "";

// Follows one batch by asking what changed: every second while it runs and is looked at, seldom otherwise.

import { Failure, look, lookAgain } from "../api.js";

const RUNNING = 1000;
const AGAIN = 2000;
const CALM = 10000;
const HIDDEN = 15000;

/** onNews(answer) for each change, onTrouble(error) when none is heard or drawn, onCalm() once it is again.
    Returns {now(), stop()}; wanted() says whether to go on asking while the page is hidden. */
export function followBatch(url, { onNews, onTrouble, onCalm, wanted = () => false }) {
  const memory = {};
  let version = 0;
  let ended = false;
  let stopped = false;
  let timer = 0;
  let asking = false;
  let trouble = false;

  async function beat() {
    clearTimeout(timer);
    if (stopped || asking || (document.hidden && !wanted())) return;
    asking = true;
    try {
      const news = await look(`${url}?since=${version}`, memory);
      if (news && !stopped) {
        onNews(news);
        version = news.version; // only now: what could not be drawn is asked for again
        ended = ["finished", "cancelled"].includes(news.batch.status);
      }
      trouble = false;
      onCalm();
    } catch (failure) {
      trouble = true;
      lookAgain(memory);
      onTrouble(failure);
      if (failure instanceof Failure && failure.status === 404) stopped = true;
    }
    asking = false;
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(beat, document.hidden ? HIDDEN : trouble ? AGAIN : ended ? CALM : RUNNING);
  }

  document.addEventListener("visibilitychange", beat);
  beat();
  return {
    now: beat,
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", beat);
    },
  };
}

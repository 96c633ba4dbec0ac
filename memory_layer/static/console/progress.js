// Bars of work that goes on in the background: asks until it is finished.

import { get, Refused } from "./endpoint.js";
import { count } from "./dom.js";

const EVERY = 700;
const PATIENCE = 5;

for (const panel of document.querySelectorAll("[data-progress]")) follow(panel);

async function follow(panel) {
  const bar = panel.querySelector("progress");
  const said = panel.querySelector("[role=status]");
  const every = Number(panel.dataset.every ?? EVERY);
  let most = 0;
  let failures = 0;
  for (;;) {
    const asked = performance.now();
    try {
      const state = await get(panel.dataset.progress);
      failures = 0;
      most = Math.max(most, state.left ?? 0);
      draw(bar, state, most);
      said.textContent = state.total ? `${count(state.done)} of ${count(state.total)}. ${state.sentence}` : state.sentence;
      if (state.finished) break;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      failures += 1;
      said.textContent = error.message;
      if (failures > PATIENCE) return;
    }
    // What takes long to count is asked for less often: a tenth of the time at most.
    const wait = Math.max(every * (1 + failures), 10 * (performance.now() - asked));
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
  // The rest of the page tells of the finished work.
  if ("reload" in panel.dataset) location.reload();
}

// Without a total there is what is left of the most that was seen; before either, the bar only says that it works.
function draw(bar, state, most) {
  if (state.finished) {
    bar.max = 1;
    bar.value = 1;
  }
  if (state.total) {
    bar.max = state.total;
    bar.value = state.done;
  } else if (most > 0 && state.left !== null && state.left !== undefined) {
    bar.max = most;
    bar.value = most - state.left;
  }
}

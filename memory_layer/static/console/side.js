// One setting of the playground and what it finds: sliders on top, hits below.

import { debounced, Refused } from "./endpoint.js";
import { count, icon, make, moment, number } from "./dom.js";
import { scoreBar, scoreNumbers, signalTable } from "./score.js";

const WEIGHTS = {
  similarity: "Similarity",
  importance: "Importance",
  decay: "Decay",
};
const HALF_LIFE = { least: 0.01, most: 36500 };
const STEPS = 1000;
const WAIT = 180;
const DIGITS = 3;

export class Side {
  // `ask(body, signal)`: the answer to a search; `actions`: {save, curl, changed}.
  constructor(name, { ask, actions, maySave }) {
    this.name = name;
    this.ask = ask;
    this.actions = actions;
    this.weights = null;
    this.stored = null;
    this.answer = null;
    this.running = null;
    this.rankAgain = debounced(() => this.search(this.question), WAIT);
    this.build(maySave);
  }

  build(maySave) {
    this.sliders = {};
    const rows = Object.entries(WEIGHTS).map(([name, title]) => this.slider(name, title, 0, 100, 1));
    rows.push(this.slider("half_life_days", "Half-life", 0, STEPS, 1));
    this.title = make("h2.mc-title", "Weights");
    this.save = make("button.mc-button", "Save to tenant", {
      type: "button",
      disabled: true,
      title: maySave ? "All searches of the tenant have these weights then" : "Your account may not change tenants",
      onclick: () => this.actions.save(this),
    });
    this.maySave = maySave;
    this.reset = make("button.mc-button.mc-quiet", "Reset", { type: "button", onclick: () => this.use(this.stored, true) });
    const curl = make("button.mc-button.mc-quiet", "Copy as curl", { type: "button", onclick: () => this.actions.curl(this) });
    this.said = make("p.mc-subtle.mc-said", { role: "status" });
    const settings = make(
      "div.mc-card.mc-settings",
      make("div.mc-head", this.title, make("span.mc-subtle", "brought to a sum of 1")),
      make("div.mc-slides", rows),
      make("div.mc-buttons", this.save, this.reset, curl),
      this.said,
    );
    this.hits = make("div.mc-hits", { "aria-live": "polite", "aria-busy": "false" });
    this.element = make("section.mc-side", { "aria-label": `Setting ${this.name}` }, settings, this.hits);
    this.showEmpty();
  }

  slider(name, title, min, max, step) {
    const id = `${this.name}-${name}`;
    const output = make("output", { for: id });
    const input = make(`input.mc-slider.mc-on-${name}`, {
      id, type: "range", min, max, step, disabled: true, oninput: () => this.moved(name),
    });
    this.sliders[name] = { input, output };
    return make("div.mc-slide", make("label", title, { for: id }), output, input);
  }

  moved(name) {
    const at = Number(this.sliders[name].input.value);
    this.weights[name] = name === "half_life_days" ? daysAt(at) : at / 100;
    this.show();
    this.rankAgain();
  }

  // Start from these weights; `again`: and search anew.
  use(weights, again = false) {
    this.weights = { ...weights };
    for (const name of Object.keys(WEIGHTS)) this.sliders[name].input.value = Math.round(weights[name] * 100);
    this.sliders.half_life_days.input.value = placeOf(weights.half_life_days);
    for (const { input } of Object.values(this.sliders)) input.disabled = false;
    this.show();
    if (again) this.search(this.question);
  }

  show() {
    const sum = Object.keys(WEIGHTS).reduce((total, name) => total + this.weights[name], 0);
    for (const name of Object.keys(WEIGHTS)) {
      this.sliders[name].output.value = sum > 0 ? `${Math.round((this.weights[name] / sum) * 100)} %` : "0 %";
    }
    for (const { input } of Object.values(this.sliders)) {
      input.style.setProperty("--mc-filled", `${(100 * input.value) / input.max}%`);
    }
    const days = this.weights.half_life_days;
    this.sliders.half_life_days.output.value = inWords(days);
    this.sliders.half_life_days.input.setAttribute("aria-valuetext", inWords(days));
    const same = this.stored && Object.keys(this.weights).every((name) => Math.abs(this.weights[name] - this.stored[name]) < 1e-9);
    this.save.disabled = !this.maySave || !this.stored || Boolean(same);
    this.reset.disabled = Boolean(same);
    this.said.textContent = same ? "As the tenant's searches have them." : "";
  }

  // Ask; a later question takes the place of one that is under way.
  async search(question) {
    if (!question || !this.weights) return;
    this.question = question;
    this.running?.abort();
    const mine = (this.running = new AbortController());
    this.hits.setAttribute("aria-busy", "true");
    const started = performance.now();
    try {
      const answer = await this.ask({ ...question, weights: this.weights }, mine.signal);
      this.answer = answer;
      this.took = performance.now() - started;
      this.refused = null;
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refused)) throw error;
      this.answer = null;
      this.refused = error;
    }
    if (mine !== this.running) return;
    this.hits.setAttribute("aria-busy", "false");
    this.actions.changed(this);
  }

  showEmpty() {
    this.hits.replaceChildren(
      make("div.mc-empty", icon("travel_explore"), make("p", "Choose a tenant, type a query and press Search."),
        make("p.mc-subtle", "Nothing here changes what clients get until you save.")),
    );
  }

  // `other`: the ranks of the same hits on the other side, by id.
  render(other) {
    if (!this.answer) {
      if (!this.refused) this.showEmpty();
      else this.hits.replaceChildren();
      return;
    }
    const parts = [this.summary()];
    if (this.answer.degraded) parts.push(make("div.mc-warning", icon("warning"), this.answer.degraded_reason ?? "", " Found by words alone."));
    if (this.answer.results.length === 0) {
      parts.push(make("div.mc-empty", icon("search_off"), make("p", "Nothing was found. Try other words, or take filters away.")));
    }
    const list = this.answer.results.map((hit, place) => this.hit(hit, place + 1, other));
    this.hits.replaceChildren(...parts, make("ol.mc-list", list));
  }

  summary() {
    const { candidates, milliseconds, mode, vector_search: vectors } = this.answer.explain;
    const stages = Object.entries(milliseconds).filter(([stage]) => stage !== "total");
    const timing = stages.map(([stage, took]) => `${stage} ${number(took, 1)} ms`).join(", ");
    const from = `${count(candidates.by_words)} by words, ${count(candidates.by_vector)} by meaning, ${count(candidates.newest)} newest`;
    return make(
      "div.mc-summary",
      make("span", { title: timing }, make("b", `${number(milliseconds.total, 1)} ms`), ` in the memory, ${Math.round(this.took)} ms to here`),
      make("span", { title: `${from}; with the turns around them ${candidates.total}` }, make("b", count(candidates.total)), " candidates: ", from),
      make("span", { title: vectors ? `vectors: ${vectors.method}, ${vectors.probes} of ${vectors.buckets} buckets` : "no vectors" }, `mode ${mode}`),
    );
  }

  hit(hit, rank, other) {
    const { explain } = hit;
    const who = hit.name || hit.role;
    const more = make("details.mc-details", make("summary", "How it got its similarity"), signalTable(explain.relevance), facts(hit));
    return make(
      "li.mc-hit",
      make("div.mc-rank", make("b", rank), movement(hit.id, rank, other)),
      make(
        "div.mc-stack.mc-tight",
        make("div.mc-meta",
          make(`span.mc-role.mc-role-${hit.role}`, who), moment(hit.created_at),
          make("a.mc-link.mc-clip", hit.conversation_id, { href: hit.links.conversation, title: `Conversation ${hit.conversation_id}` }),
          hit.archived ? make("span.mc-badge", "archived", { title: hit.archive_reason ?? "" }) : null,
          make("a.mc-link", "Open", { href: hit.links.message, "aria-label": "Open the message" }),
          make("span.mc-score", number(hit.score, DIGITS), { title: "The score, from 0 to 1" })),
        make("p.mc-text", hit.content),
        scoreBar(explain, hit.score), scoreNumbers(explain), more,
      ),
    );
  }
}

function movement(id, rank, other) {
  if (!other) return null;
  if (!other.has(id)) return make("span.mc-new", "new", { title: "Not among the hits of the other setting" });
  const by = other.get(id) - rank;
  if (by === 0) return make("span.mc-same", "=", { title: "The same rank with both settings" });
  const arrow = by > 0 ? "▲" : "▼";
  return make(by > 0 ? "span.mc-up" : "span.mc-down", `${arrow} ${Math.abs(by)}`, {
    title: `Rank ${other.get(id)} with the other setting`,
  });
}

function facts(hit) {
  const { explain } = hit;
  const said = [
    `BM25 ${number(explain.own_bm25)}, with context ${number(explain.context_bm25)}`,
    explain.cosine === null ? "no vector yet" : `cosine ${number(explain.cosine, 3)}`,
    `${number(explain.age_days, 1)} days old`,
    `importance ${number(hit.importance)} ${explain.importance_is_explicit ? "given by the client" : "scored from its words"}`,
    hit.duplicates.length ? `stands for ${hit.duplicates.length} with the same text` : null,
    `id ${hit.id}`,
  ];
  return make("p.mc-subtle.mc-break", said.filter(Boolean).join(" · "));
}

function daysAt(place) {
  const { least, most } = HALF_LIFE;
  const days = least * (most / least) ** (place / STEPS);
  return Number(days.toPrecision(DIGITS));
}

function placeOf(days) {
  const { least, most } = HALF_LIFE;
  return Math.round((STEPS * Math.log(Math.max(days, least) / least)) / Math.log(most / least));
}

function inWords(days) {
  if (days < 1) return `${Number((days * 24).toPrecision(2))} h`;
  return days < 730 ? `${Number(days.toPrecision(DIGITS))} days` : `${Number((days / 365).toPrecision(2))} years`;
}

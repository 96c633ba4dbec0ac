// The score of a hit as a stacked bar, with its numbers. The formula is the server's: these are its terms.

import { make, number } from "./dom.js";

const TERMS = ["similarity", "importance", "decay"];
const SIGNALS = {
  lexical: "Words",
  vector: "Meaning",
  vector_context: "Meaning with the turns around it",
  speaker: "Said by who is named",
  time: "Close to the time that is named",
  session: "Its session fits",
};

// `terms`: {similarity: {weight, value}, ..., redundancy: {weight, value}}.
export function scoreBar(terms, score) {
  const lost = -part(terms.redundancy);
  const bar = make("div.mc-bar", { role: "img", "aria-label": inWords(terms, score) });
  for (const name of TERMS) {
    const whole = part(terms[name]);
    const kept = name === "similarity" ? whole - lost : whole;
    bar.append(segment(name, kept, `${name}: ${product(terms[name])}`));
    if (name === "similarity" && lost > 0) {
      bar.append(segment("redundancy", lost, `taken back, a better hit says nearly the same: −${number(lost, 3)}`));
    }
  }
  return bar;
}

export function scoreNumbers(terms) {
  const shown = TERMS.map((name) => numbers(name, terms[name]));
  if (part(terms.redundancy) < 0) shown.push(numbers("redundancy", terms.redundancy));
  return make("div.mc-numbers", shown);
}

// What made the similarity, signal by signal.
export function signalTable(relevance) {
  const rows = Object.entries(SIGNALS).map(([name, title]) => {
    const term = relevance[name];
    const value = term.value === null ? "none yet" : number(term.value);
    return make(
      "tr",
      make("th", title, { scope: "row" }),
      make("td", make("meter", { min: 0, max: 1, value: term.value ?? 0, "aria-label": title })),
      make("td", `${number(term.weight)} × ${value}`),
      make("td", number(part(term), 3)),
    );
  });
  const total = make(
    "tr",
    make("th", "Relevance, before it is scaled over all hits", { scope: "row", colspan: 3 }),
    make("td", number(relevance.total, 3)),
  );
  return make("table.mc-signals", make("tbody", rows), make("tfoot", total));
}

function numbers(name, term) {
  return make("span", { title: `${name}: weight × value` }, make(`i.mc-${name}`), product(term));
}

function segment(name, share, title) {
  const element = make(`span.mc-${name}`, { title });
  element.style.width = `${Math.max(0, share) * 100}%`;
  return element;
}

function part(term) {
  return term.weight * (term.value ?? 0);
}

function product(term) {
  return `${number(term.weight)} × ${number(term.value ?? 0)} = ${number(part(term), 3)}`;
}

function inWords(terms, score) {
  return `Score ${number(score, 3)}: ${TERMS.map((name) => `${name} ${product(terms[name])}`).join(", ")}`;
}

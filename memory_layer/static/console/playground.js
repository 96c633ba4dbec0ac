// The playground: one question, one or two settings, and why a message is not in the answer.

import { get, post, Refused } from "./endpoint.js";
import { make, number } from "./dom.js";
import { scoreBar, scoreNumbers } from "./score.js";
import { Side } from "./side.js";

const root = document.getElementById("playground");
const form = document.getElementById("question");
const sides = document.getElementById("sides");
const refusal = document.getElementById("refusal");
const compare = document.getElementById("compare");
const dialog = document.getElementById("curl");
const TEXTS = ["conversation_id", "user_id", "role", "mode"];
const VERDICTS = {
  in_answer: "It is in the answer",
  ranked_below: "Ranked, but below the answer",
  not_in_pool: "Found, but not relevant enough to be ranked",
  not_a_candidate: "Not found at all",
  duplicate_of: "Another message says the same",
  filtered: "Left out by a filter",
  later_than_as_of: "Said later",
  archived: "In the archive",
};

const parts = {
  ask: (body, signal) => post(root.dataset.search, body, { signal }),
  maySave: root.dataset.maySave === "yes",
  actions: { save, curl, changed },
};
const first = new Side("A", parts);
let second = null;
sides.append(first.element);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
form.elements.tenant_id.addEventListener("change", useStoredWeights);
form.addEventListener("change", countFilters);
document.getElementById("clear-filters").addEventListener("click", clearFilters);
document.getElementById("why").addEventListener("submit", explain);
compare.addEventListener("click", toggleCompare);
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
dialog.querySelector("[data-copy]").addEventListener("click", copy);
if (form.elements.tenant_id.value) useStoredWeights();

function both() {
  return second ? [first, second] : [first];
}

async function useStoredWeights() {
  refuse(null);
  const tenant = form.elements.tenant_id.value.trim();
  if (!tenant) return;
  try {
    const stored = await get(`${root.dataset.weights}?${new URLSearchParams({ tenant_id: tenant })}`);
    for (const side of both()) {
      side.stored = stored;
      side.use(stored);
    }
  } catch (error) {
    refuse(error);
  }
}

async function ask() {
  const question = read();
  if (!question) return;
  if (!first.weights) await useStoredWeights();
  for (const side of both()) side.search(question);
}

// What the form says, as the body of a search; null if something in it cannot be meant.
function read() {
  const said = form.elements;
  const body = { tenant_id: said.tenant_id.value.trim(), query: said.query.value, top_k: Number(said.top_k.value) };
  for (const name of TEXTS) if (said[name].value.trim()) body[name] = said[name].value.trim();
  for (const name of ["since", "until"]) if (said[name].value) body[name] = new Date(said[name].value).toISOString();
  if (said.include_archived.checked) body.include_archived = true;
  if (said.metadata.value.trim()) {
    try {
      body.metadata = JSON.parse(said.metadata.value);
    } catch {
      refuse(new Refused("", [{ field: "metadata", sentence: 'Write an object, such as {"channel": "web"}.' }]));
      return null;
    }
  }
  refuse(null);
  return body;
}

function countFilters() {
  const said = form.elements;
  const names = [...TEXTS, "since", "until", "metadata"];
  const used = names.filter((name) => said[name].value.trim()).length + (said.include_archived.checked ? 1 : 0);
  const badge = document.getElementById("filter-count");
  badge.hidden = used === 0;
  badge.textContent = used;
}

function clearFilters() {
  for (const name of [...TEXTS, "since", "until", "metadata"]) form.elements[name].value = "";
  form.elements.include_archived.checked = false;
  countFilters();
}

function changed(side) {
  refuse(both().map((each) => each.refused).find(Boolean) ?? null);
  for (const each of both()) {
    const other = both().find((another) => another !== each && another.answer);
    each.render(other ? new Map(other.answer.results.map((hit, place) => [hit.id, place + 1])) : null);
  }
}

function refuse(error) {
  refusal.hidden = !error;
  if (!error) return;
  if (!(error instanceof Refused)) throw error;
  const lines = error.faults.map((fault) => make("li", fault.field ? make("b", `${fault.field}: `) : null, fault.sentence));
  refusal.replaceChildren(lines.length ? make("ul", lines) : error.message);
}

function toggleCompare() {
  if (second) {
    second.element.remove();
    second = null;
  } else {
    second = new Side("B", parts);
    second.stored = first.stored;
    if (first.weights) second.use(first.weights);
    sides.append(second.element);
    if (first.question) second.search(first.question);
  }
  first.title.textContent = second ? "Setting A" : "Weights";
  if (second) second.title.textContent = "Setting B";
  sides.classList.toggle("mc-compared", Boolean(second));
  compare.setAttribute("aria-pressed", String(Boolean(second)));
  compare.textContent = second ? "Back to one setting" : "Compare two settings";
  changed(first);
}

async function save(side) {
  const tenant = form.elements.tenant_id.value.trim();
  side.save.disabled = true;
  try {
    const stored = await post(root.dataset.weights, { tenant_id: tenant, ...side.weights });
    for (const each of both()) {
      each.stored = stored;
      each.show();
    }
    side.said.textContent = `Saved. All searches of ${tenant} have these weights now.`;
  } catch (error) {
    side.show();
    refuse(error);
  }
}

function curl(side) {
  const body = read();
  if (!body || !side.weights) return;
  const sent = JSON.stringify({ ...body, weights: side.weights, explain: true }, null, 2).replaceAll("'", "'\\''");
  dialog.querySelector("pre").textContent = [
    `curl -X POST '${location.origin}/v1/memory/search' \\`,
    '  -H "X-API-Key: $MEMORY_API_KEY" \\',
    "  -H 'Content-Type: application/json' \\",
    `  -d '${sent}'`,
  ].join("\n");
  dialog.showModal();
}

async function copy(event) {
  const shown = dialog.querySelector("pre");
  const selection = getSelection();
  selection.selectAllChildren(shown);
  // Browsers give the clipboard to pages that came encrypted or from this machine; elsewhere it is selected, to copy.
  const copied = await navigator.clipboard?.writeText(shown.textContent).then(() => true, () => false);
  event.target.textContent = copied ? "Copied" : "Selected: press Ctrl+C";
}

async function explain(event) {
  event.preventDefault();
  const place = document.getElementById("verdict");
  const body = read();
  if (!body) return;
  if (!body.query.trim()) {
    place.replaceChildren(make("p.mc-refusal", "Type a query above first."));
    return;
  }
  const id = event.target.elements.message_id.value.trim();
  try {
    place.replaceChildren(verdict(await post(root.dataset.why, { ...body, weights: first.weights ?? {}, message_id: id })));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const lines = error.faults.map((fault) => `${fault.field}: ${fault.sentence}`);
    place.replaceChildren(make("p.mc-refusal", lines.join(" ") || error.message));
  }
}

function verdict(said) {
  const words = said.query_words.length ? said.query_words.join(", ") : "none";
  return make(
    "div.mc-stack.mc-tight.mc-verdict",
    make("h3.mc-title", VERDICTS[said.verdict] ?? said.verdict),
    make("p", said.reason),
    make("p.mc-subtle", `Words of the query that it holds: ${words}. Embedding: ${said.embedding_status}.`),
    standing("This one", said.standing),
    standing("What it would have to beat", said.compared_with),
  );
}

function standing(title, place) {
  if (!place) return null;
  const score = place.score === null ? "no score" : `score ${number(place.score, 3)}`;
  const shown = [make("p", make("b", title), `: rank ${place.rank}, ${score}`)];
  if (place.terms) shown.push(scoreBar(place.terms, place.score), scoreNumbers(place.terms));
  return make("div.mc-stack.mc-tight", shown);
}

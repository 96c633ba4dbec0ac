// The preview beside a policy's form: counted anew a moment after each change, with the values as they stand.

import { debounced, post, Refused } from "./endpoint.js";
import { bytes, count, icon, make, moment, number } from "./dom.js";

const panel = document.getElementById("policy-preview");
const form = document.getElementById(panel.dataset.form);
const place = document.getElementById("preview");
const state = document.getElementById("preview-state");
const WAIT = 400;
const DONE = { archive: "archived", delete: "deleted", delete_archived: "deleted from the archive", keep: "kept" };
let running = null;

const later = debounced(look, WAIT);
form.addEventListener("input", later);
form.addEventListener("change", later);
// The admin's boxes with a search of their own tell only jQuery, and what another window filled in tells nobody.
window.django?.jQuery(form).on("change", later);
window.addEventListener("focus", later);
look();

async function look() {
  running?.abort();
  const mine = (running = new AbortController());
  state.textContent = "Counting…";
  const values = new URLSearchParams(new FormData(form));
  values.set("policy_id", panel.dataset.policy);
  if (!panel.dataset.policy && !values.get("tenant")) {
    state.textContent = "";
    return;
  }
  try {
    const said = await post(panel.dataset.url, values, { signal: mine.signal });
    place.replaceChildren(...(said.faults.length ? [faults(said.faults)] : []), ...(said.preview ? preview(said.preview) : []));
    state.textContent = "";
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refused)) throw error;
    state.textContent = "";
    place.replaceChildren(make("p.mc-refusal", error.message));
  }
}

function preview(said) {
  const parts = [];
  if (!said.enabled) parts.push(make("div.mc-warning", icon("toggle_off"), "It is not enabled, so it does nothing. If it were, it would do this:"));
  if (said.shadowed_by) parts.push(make("div.mc-warning", icon("layers"), `“${said.shadowed_by}” is asked before it and takes every message that fits it.`));
  parts.push(
    make("div.mc-figures",
      figure(count(said.archived), "archived"), figure(count(said.deleted), "deleted"), figure(count(said.kept), "stay in the memory")),
  );
  if (said.freed_bytes) parts.push(make("p.mc-subtle", `${bytes(said.freed_bytes)} are free once the deleted ones are purged.`));
  if (!said.groups.length) {
    parts.push(make("div.mc-empty", icon("task_alt"), make("p", "No message fits it now."), make("p.mc-subtle", "Messages grow older: it will act when some do.")));
  }
  return parts.concat(said.groups.map(group));
}

function group(found) {
  const title = `${count(found.rows)} ${DONE[found.action] ?? found.action}`;
  return make(
    "div.mc-group.mc-stack.mc-tight",
    make("div", make("b.mc-title", title), ": ", found.reason),
    make("p.mc-subtle", "from ", moment(found.oldest), " to ", moment(found.newest), ` · ${bytes(found.bytes)}`),
    found.examples.map((each) =>
      make("div.mc-example", make("p.mc-text", each.excerpt),
        make("p.mc-subtle.mc-break", `${each.conversation_id} · `, moment(each.created_at), ` · importance ${number(each.importance)}`))),
  );
}

function figure(value, title) {
  return make("div.mc-figure", make("b", value), make("span.mc-subtle", title));
}

function faults(list) {
  return make("ul.mc-refusal", { role: "alert" }, list.map(({ field, sentence }) =>
    make("li", field && field !== "__all__" ? make("b", `${field.replaceAll("_", " ")}: `) : null, sentence)));
}

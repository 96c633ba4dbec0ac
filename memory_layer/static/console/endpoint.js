// Asking the admin's own endpoints: with the session's cookie and its CSRF token, and refusals as sentences.

export class Refused extends Error {
  // `faults`: sentences, each with the field that it is about.
  constructor(message, faults = []) {
    super(message);
    this.faults = faults;
  }
}

export async function get(url, options = {}) {
  return answer(await sent(url, options));
}

export async function post(url, body, options = {}) {
  const form = body instanceof URLSearchParams;
  const headers = {
    "Content-Type": form ? "application/x-www-form-urlencoded" : "application/json",
    "X-CSRFToken": token(),
  };
  return answer(await sent(url, { method: "POST", headers, body: form ? body : JSON.stringify(body), ...options }));
}

async function sent(url, options) {
  try {
    return await fetch(url, { redirect: "manual", credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The server did not answer. Is it running?");
  }
}

async function answer(response) {
  if (response.type === "opaqueredirect") {
    throw new Refused("You are logged out. Log in again in another tab, then repeat this.");
  }
  const said = await response.json().catch(() => null);
  if (response.ok && said) return said;
  const faults = (said?.errors ?? []).map((fault) => ({ field: fault.field, sentence: fault.message }));
  throw new Refused(said?.detail ?? `The server answered with status ${response.status}.`, faults);
}

function token() {
  return document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
}

// Calls `act` once nothing has been asked for `wait` milliseconds.
export function debounced(act, wait) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...given), wait);
  };
}

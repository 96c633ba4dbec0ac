// Elements made by hand. Text is always set as text: what somebody stored can never become markup.

// make("p.note", "text", child, {title: "..."}): strings become text, objects attributes, elements children.
export function make(description, ...parts) {
  const [tag, ...classes] = description.split(".");
  const element = document.createElement(tag || "div");
  element.classList.add(...classes);
  for (const part of parts.flat()) {
    if (part === null || part === undefined || part === false) continue;
    if (part instanceof Node) element.append(part);
    else if (typeof part === "object") setAll(element, part);
    else element.append(String(part));
  }
  return element;
}

function setAll(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
}

export function icon(name) {
  return make("span.material-symbols-outlined", name, { "aria-hidden": "true" });
}

export function moment(text) {
  const date = new Date(text);
  const shown = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return make("time", shown, { datetime: text, title: text });
}

export function number(value, digits = 2) {
  return Number(value).toFixed(digits);
}

export function count(value) {
  return Number(value).toLocaleString("en");
}

export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let left = Number(size);
  let unit = 0;
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${left < 10 && unit ? left.toFixed(1) : Math.round(left)} ${units[unit]}`;
}

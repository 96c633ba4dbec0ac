// What Unfold made for a mouse alone (links without an address, icons) is reached and pressed by keyboard too.
"use strict";
(() => {
  const names = { dock_to_right: "Show or hide the navigation", close: "Close", unfold_more: "Account and theme" };
  const selector = ["a:not([href])", "span", "div"].map((tag) => `${tag}[x-on\\:click]`).join(", ");
  const focusable = "a[href], button, input, select, textarea";

  const openToKeys = (element) => {
    if (element.hasAttribute("tabindex") || element.closest("[id$='-close']") || element.querySelector(focusable)) return;
    element.tabIndex = 0;
    element.setAttribute("role", "button");
    const text = element.textContent.trim();
    if (element.querySelector(".material-symbols-outlined") || element.matches(".material-symbols-outlined")) {
      if (names[text.split(/\s+/)[0]]) element.setAttribute("aria-label", names[text.split(/\s+/)[0]]);
    }
    element.addEventListener("keydown", (event) => {
      if (event.target !== element || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      element.click();
    });
  };

  // An icon is a word in a font: read aloud it would say itself before each name.
  const silence = (icon) => {
    if (icon.parentElement.textContent.trim() !== icon.textContent.trim()) icon.setAttribute("aria-hidden", "true");
  };

  addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(selector).forEach(openToKeys);
    document.querySelectorAll(".material-symbols-outlined:not([role])").forEach(silence);
  });
})();

// Loads the contents of a page of courses again when they have changed. Without this script the page has the same
// contents; that of today reloads itself. The stream is in live.js.
"use strict";

const SCREEN = 8000; // ms for which a part of a long list stays on a projector
const CALM = 1000; // ms after a change until the page is loaded: changes come in bursts
let waiting = false;

function apply(changes) {
  if (changes.version === live.dataset.version || waiting) return;
  waiting = true;
  setTimeout(load, CALM);
}

async function load() {
  waiting = false;
  try {
    const response = await fetch(location.href);
    if (!response.ok) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const main = page.querySelector("main");
    const said = byId("done")?.textContent;
    const focused = document.activeElement?.id;
    const open = [...live.querySelectorAll("details")].map((each) => each.open);
    live.innerHTML = main.innerHTML; // from the collector's template, which escapes every value
    live.dataset.version = main.dataset.version;
    [...live.querySelectorAll("details")].forEach((each, number) => (each.open = open[number] || false));
    if (byId("done")) byId("done").textContent = said;
    if (focused) byId(focused)?.focus();
  } catch {
    // the next event tries again
  }
}

// A long list on a projector: one screen after the other, and again from the top.
function turn() {
  const bottom = window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 4;
  const head = document.querySelector(".show thead")?.offsetHeight || 0;
  window.scrollTo(0, bottom ? 0 : window.scrollY + window.innerHeight - head - 40);
}

if (live.classList.contains("show")) {
  setInterval(turn, SCREEN);
  byId("full").addEventListener("click", () => document.documentElement.requestFullscreen());
  document.addEventListener("fullscreenchange", () => (byId("full").hidden = Boolean(document.fullscreenElement)));
}
follow();

// Follows the collector by the stream that <main> names, and says when the page is stale. `apply` is the page's own.
// Commands are in commands.js, which comes first.
"use strict";

const live = document.querySelector("main[data-stream]");
const MAX_SILENCE = 15000; // ms without an event until the page is stale; the collector sends one every 5 s
const RECONNECT = 2000; // ms until a refused stream is opened again

let state = live.dataset.state; // id of the latest event
let clockOffset = Number(live.dataset.now) * 1000 - Date.now(); // ms that the collector's clock is ahead of the browser's
let lastEvent = Date.now(); // time of the latest event
let lastEventSteady = performance.now(); // the same by the monotonic clock, which may stop while the laptop sleeps
let opened = lastEventSteady; // start of the current stream
let source = null;
let stale = false;
let title = document.title;

function listen() {
  if (source) source.close();
  opened = performance.now();
  source = new EventSource(`${live.dataset.stream}?since=${encodeURIComponent(state)}`);
  source.addEventListener("board", (event) => {
    try {
      receive(JSON.parse(event.data));
      state = event.lastEventId;
    } catch (error) {
      restart();
      throw error;
    }
  });
  source.addEventListener("beat", (event) => setLive(JSON.parse(event.data).now));
  source.onerror = () => {
    setStale();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, RECONNECT);
  };
}

function receive(changes) {
  if (changes.files !== document.documentElement.dataset.files) {
    location.reload(); // the collector has another version, and this script belongs to the previous one
    return;
  }
  setLive(changes.now);
  apply(changes);
}

function restart() {
  // The page may show half of a change: request all of it.
  state = "";
  setStale();
  source.close();
  setTimeout(listen, RECONNECT);
}

function setLive(now) {
  lastEvent = Date.now();
  lastEventSteady = performance.now();
  clockOffset = now * 1000 - lastEvent;
  if (stale) {
    stale = false;
    byId("lost").hidden = true;
    document.body.classList.remove("is-stale");
    document.title = title;
  }
}

function setStale() {
  if (stale) return;
  stale = true;
  byId("lost").textContent =
    `Stale page: ${byId("lost").dataset.advice}. No data from the collector since ${clock(lastEvent)}. ` +
    "The page updates itself when the collector is back.";
  byId("lost").hidden = false;
  document.body.classList.add("is-stale");
  document.title = `Stale since ${clock(lastEvent)} – ${title}`;
}

// ---- relative times

function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function clock(moment) {
  // By the collector's clock in the time zone of the event, as all times on the page.
  return new Date(moment + clockOffset + Number(live.dataset.timezone) * 60000).toISOString().slice(11, 16);
}

function tick() {
  const now = (Date.now() + clockOffset) / 1000;
  for (const time of document.querySelectorAll("time[data-since]"))
    time.textContent = `${duration(Math.max(0, now - time.dataset.since))} ago`;
  for (const time of document.querySelectorAll("time[data-until]")) {
    const left = Math.ceil(time.dataset.until - now);
    time.parentElement.firstChild.textContent = left > 0 ? "Next try in " : "Next try ";
    time.textContent = left > 0 ? duration(left) : "now";
  }
  if (Math.max(Date.now() - lastEvent, performance.now() - lastEventSteady) > MAX_SILENCE) {
    setStale();
    if (performance.now() - opened > MAX_SILENCE) listen(); // a dead connection: open a new one, but not too often
  }
}

function follow() {
  setInterval(tick, 1000);
  tick();
  listen();
}

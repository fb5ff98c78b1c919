// Keeps the board up to date. Without this script the page has the same contents and reloads itself.
// Commands are in commands.js, which comes first.
"use strict";

const board = byId("board");
const COLUMNS = [...board.querySelectorAll(".column")];
const MAX_SILENCE = 15000; // ms without an event until the page is stale; the collector sends one every 5 s
const HIGHLIGHT = 6000; // ms for which a moved tile is highlighted
const RECONNECT = 2000; // ms until a refused stream is opened again

let state = board.dataset.state; // id of the latest event
let clockOffset = Number(board.dataset.now) * 1000 - Date.now(); // ms that the collector's clock is ahead of the browser's
let lastEvent = Date.now(); // time of the latest event
let lastEventSteady = performance.now(); // the same by the monotonic clock, which may stop while the laptop sleeps
let opened = lastEventSteady; // start of the current stream
let source = null;
let stale = false;
let title = document.title;

// ---- the stream of changes

function listen() {
  if (source) source.close();
  opened = performance.now();
  source = new EventSource(`/stream?since=${encodeURIComponent(state)}`);
  source.addEventListener("board", (event) => {
    try {
      apply(JSON.parse(event.data));
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

function restart() {
  // The page may show half of a change: request the whole board.
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
    `Stale page: do not switch anything off. No data from the collector since ${clock(lastEvent)}. ` +
    "The page updates itself when the collector is back.";
  byId("lost").hidden = false;
  document.body.classList.add("is-stale");
  document.title = `Stale since ${clock(lastEvent)} – ${title}`;
}

function apply(changes) {
  if (changes.files !== document.documentElement.dataset.files) {
    location.reload(); // the collector has another version, and this script belongs to the previous one
    return;
  }
  setLive(changes.now);
  const focused = focusKey(document.activeElement);
  byId("top").innerHTML = changes.top;
  document.title = title = changes.title;
  board.dataset.paused = changes.paused ? "yes" : "";
  byId("pause").dataset.command = changes.paused ? "resume" : "pause";
  byId("pause").textContent = changes.paused ? "Resume downloads…" : "Pause downloads…";
  const kept = new Set(changes.tiles.map((tile) => tile.id));
  const gone = changes.full ? [...board.querySelectorAll(".tile")].map((tile) => Number(tile.dataset.id)).filter((n) => !kept.has(n)) : changes.removed;
  for (const number of gone) byId(`device-${number}`)?.remove();
  for (const [name, layout] of Object.entries(changes.zones)) {
    const zone = byId(`zone-${name}`);
    zone.dataset.across = layout.across;
    zone.dataset.room = layout.room;
    zone.classList.toggle("is-dense", layout.dense);
  }
  const moved = changes.tiles.map(place).filter(Boolean);
  COLUMNS.forEach(count);
  focus(focused);
  if (!changes.full) announce(moved);
  tick();
}

// ---- tiles

function place(tile) {
  const list = byId(tile.column).querySelector(".tiles");
  let element = byId(`device-${tile.id}`);
  const before = element ? element.closest(".column").id : "";
  if (!element) {
    element = document.createElement("li");
    element.className = "tile";
    element.id = `device-${tile.id}`;
    element.dataset.id = tile.id;
  }
  element.innerHTML = tile.html; // from the collector's template, which escapes every value
  if (before === tile.column) return null;
  const next = [...list.children].find((other) => Number(other.dataset.id) > tile.id);
  list.insertBefore(element, next || null);
  if (before !== "" && tile.column !== "expected" && tile.column !== "gone") mark(element);
  return before === "" ? null : tile;
}

function mark(element) {
  element.classList.add("is-new");
  setTimeout(() => element.classList.remove("is-new"), HIGHLIGHT);
}

function count(column) {
  const number = column.querySelector(".tiles").children.length;
  for (const element of [column, document.querySelector(`.counts [data-column="${column.id}"]`)]) {
    element.querySelector(".count").textContent = number;
    element.classList.toggle("is-empty", number === 0);
    if (column.id === "left-early") element.hidden = number === 0;
  }
}

// ---- sounds and screen readers

const SOUNDS = { "switch-off": [660, 880], "keep-on": [220, 220], "left-early": [440, 220, 440, 220] };
const WORDS = { "switch-off": "can be switched off", "keep-on": "must be kept on", "left-early": "left too early" };
let audio = null;
let sound = localStorage.getItem("sound") === "on";

function announce(moved) {
  const said = moved.filter((tile) => WORDS[tile.column]).map((tile) => `${tile.id} ${WORDS[tile.column]}`);
  if (said.length) byId("said").textContent = said.join(", ");
  for (const column of ["left-early", "keep-on", "switch-off"]) {
    if (moved.some((tile) => tile.column === column)) {
      play(SOUNDS[column]);
      return;
    }
  }
}

function play(tones) {
  if (!sound) return;
  audio = audio || new AudioContext();
  audio.resume();
  tones.forEach((frequency, number) => {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const start = audio.currentTime + number * 0.18;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.2, start);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 0.17);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 0.17);
  });
}

function showSound() {
  byId("sound").textContent = sound ? "Sound: on" : "Sound: off";
  byId("sound").setAttribute("aria-pressed", String(sound));
}

byId("sound").addEventListener("click", () => {
  sound = !sound;
  localStorage.setItem("sound", sound ? "on" : "off");
  showSound();
  play(SOUNDS["switch-off"]);
});

// ---- relative times

function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function clock(moment) {
  // By the collector's clock in the time zone of the event, as all times on the page.
  return new Date(moment + clockOffset + Number(board.dataset.timezone) * 60000).toISOString().slice(11, 16);
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

showSound();
COLUMNS.forEach(count);
setInterval(tick, 1000);
tick();
listen();

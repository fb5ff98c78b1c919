// Keeps the board up to date. Without this script the page has the same contents and reloads itself.
// Commands are in commands.js, the stream in live.js; both come first.
"use strict";

const board = byId("board");
const COLUMNS = [...board.querySelectorAll(".column")];
const HIGHLIGHT = 6000; // ms for which a moved tile is highlighted

function apply(changes) {
  const focused = focusKey(document.activeElement);
  byId("top").innerHTML = changes.top;
  document.title = title = changes.title;
  board.dataset.paused = changes.paused ? "yes" : "";
  const [shown, hidden] = changes.paused ? ["resume", "pause"] : ["pause", "resume"];
  const hadFocus = document.activeElement === byId(hidden);
  byId(shown).hidden = false;
  byId(hidden).hidden = true;
  if (hadFocus) byId(shown).focus();
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

showSound();
COLUMNS.forEach(count);
follow();

// Hands in many files: each is a request of its own with its progress, a few at a time. Commands are in commands.js.
// Without this script the form does the same in one request.
"use strict";

const AT_ONCE = 3; // files that are sent at the same time
const POLL = 1000; // ms until the lists are loaded again while a file is being read
const CALM = 5000; // ms until they are otherwise: files come from other computers and folders too
const form = byId("hand-in");
const lists = byId("lists");
let shown = lists.innerHTML;
let serials = null; // by the key of the hand-in, once they are asked for
let timer = 0;
const waiting = [];
let sending = 0;

function add(files) {
  for (const file of files) waiting.push({ file, ...line(file.name) });
  next();
}

function line(name) {
  const item = document.createElement("li");
  const progress = document.createElement("progress");
  const said = document.createElement("span");
  progress.max = 1;
  progress.value = 0;
  progress.setAttribute("aria-label", name);
  said.textContent = `${name}: waits`;
  item.append(progress, " ", said);
  byId("files").append(item);
  return { name, item, progress, said };
}

function next() {
  while (sending < AT_ONCE && waiting.length) send(waiting.shift());
  if (!sending && !waiting.length) load();
}

function send(each) {
  const problem = !each.file.size ? "the file is empty" : each.file.size > Number(form.dataset.most) ? "too large: the limit is 200 MB" : "";
  if (problem) return end(each, "stop", `not kept: ${problem}`);
  sending += 1;
  const request = new XMLHttpRequest();
  const { who, file_id: owner } = form.elements; // the sailor that was chosen counts more than what the file says
  const query = new URLSearchParams({ name: each.name, who: who.value.trim(), file_id: owner.value });
  request.open("POST", `/hand-in/files?${query}`);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.setRequestHeader("Authorization", `Bearer ${token()}`);
  request.upload.onprogress = (event) => {
    each.progress.value = event.loaded / Math.max(event.total, 1);
    each.said.textContent = `${each.name}: ${event.loaded < event.total ? `${Math.floor((100 * event.loaded) / event.total)} %` : "being read"}`;
  };
  request.onload = () => answer(each, request);
  request.onerror = () => done(each, "stop", "cut: the collector was not reached, or refused the file. Send it again");
  request.send(each.file);
}

function answer(each, request) {
  let found = {};
  try {
    found = JSON.parse(request.responseText);
  } catch {
    // the status says enough
  }
  if (request.status === 401) {
    sessionStorage.removeItem("token");
    form.elements.token.value = "";
    showForm();
    return done(each, "stop", "wrong token");
  }
  if (request.status >= 400) return done(each, "stop", `not kept: ${found.detail || request.status}`);
  sessionStorage.setItem("token", token());
  if (request.status === 202) return done(each, "wait", "kept, and being read: see below");
  const tracks = found.days.filter((day) => day.track).map((day) => day.track.replace("gpslogs/", ""));
  if (found.state === "filed") return done(each, "check", `${found.sailor || found.file_id}, ${tracks.join(", ")}`);
  if (found.state === "not a track") return done(each, "stop", found.why);
  done(each, "warn", `${found.state} ${found.why}`);
}

function done(each, icon, text) {
  sending -= 1;
  end(each, icon, text);
  next();
}

function end(each, icon, text) {
  const sign = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  sign.setAttribute("class", "icon");
  sign.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `/static/icons.svg#${icon}`);
  sign.append(use);
  each.progress.replaceWith(sign);
  each.said.textContent = `${each.name}: ${text}`;
}

function token() {
  return form.elements.token.value.trim() || sessionStorage.getItem("token") || "";
}

function showForm() {
  const known = Boolean(sessionStorage.getItem("token"));
  form.elements.token.required = !known;
  form.elements.token.parentElement.hidden = known;
}

// The lists of the page as the collector has them now, unless nobody looks or somebody decides.
async function load() {
  try {
    const response = document.hidden ? null : await fetch("/hand-in");
    if (response?.ok) show(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch {
    // the next time, when the collector is back
  }
  later();
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(load, lists.querySelector(".reading") ? POLL : CALM);
}

function show(page) {
  const now = page.querySelector("#lists").innerHTML;
  if (now === shown || byId("ask").open) return;
  const chosen = [...lists.querySelectorAll("[data-owner]")].map((select) => [select.id, select.value]);
  const focused = document.activeElement.id;
  lists.innerHTML = shown = now; // from the collector's template, which escapes every value
  for (const [id, value] of chosen) if (value && byId(id)) choose(byId(id), value);
  showSerials();
  if (focused) byId(focused)?.focus();
}

// A sailor that is chosen is what its button says; without one there is no button.
function choose(select, value) {
  const button = byId(select.dataset.owner);
  select.value = value;
  button.dataset.body = JSON.stringify({ file_id: select.value });
  button.hidden = !select.value;
}

async function askForSerials() {
  const known = token();
  const response = await fetch("/hand-in/serials", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${known}` },
    body: "{}",
  });
  if (!response.ok) {
    byId("done").textContent = "Type the token above first.";
    return;
  }
  sessionStorage.setItem("token", known);
  serials = await response.json();
  showSerials();
}

function showSerials() {
  if (!serials) return;
  for (const place of document.querySelectorAll("[data-serial]"))
    place.textContent = serials[place.dataset.serial] ? `Serial number: ${serials[place.dataset.serial]}` : "No serial number.";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form.elements.who.value) localStorage.setItem("who", form.elements.who.value.trim());
  add(form.elements.file.files);
  form.elements.file.value = "";
});
form.elements.who.value = localStorage.getItem("who") || "";
for (const kind of ["dragenter", "dragover"])
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    form.classList.add("is-over");
  });
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) form.classList.remove("is-over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("is-over");
  if (!token()) {
    byId("done").textContent = "Type the token first, then drop the files again.";
    form.elements.token.focus();
  } else add(event.dataTransfer.files);
});
document.addEventListener("click", (event) => {
  if (event.target.id === "serials") askForSerials();
});
document.addEventListener("change", (event) => {
  if (event.target.dataset.owner) choose(event.target, event.target.value);
});
showForm();
later();

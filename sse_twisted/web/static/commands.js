// Commands with the token: each is a button with the path, and a dialog asks for what the command needs.
"use strict";

const byId = (id) => document.getElementById(id);

function focusKey(element) {
  const tile = element.closest(".tile");
  return tile ? `#${tile.id} ${element.tagName.toLowerCase()}` : null;
}

function focus(key) {
  if (!key) return;
  (document.querySelector(key) || document.querySelector(`${key.split(" ")[0]} .number`))?.focus();
}

const FIELDS = ["who", "reason"];
let asked = null; // the data of the button
let opener = "";

function ask(from) {
  asked = { ...from.dataset };
  opener = focusKey(from) || `#${from.id}`;
  byId("ask-title").textContent = asked.title;
  byId("ask-text").textContent = asked.text || "";
  byId("ask-error").textContent = "";
  const wanted = (asked.fields || "").split(" ");
  for (const field of FIELDS) {
    byId(`ask-${field}`).value = (field === "who" && localStorage.getItem("who")) || "";
    byId(`ask-${field}`).required = wanted.includes(field);
    byId(`ask-${field}-label`).hidden = !wanted.includes(field);
  }
  byId("ask-keys").replaceChildren(...Object.entries(JSON.parse(asked.keys || "{}")).map(([key, value]) => keyField(key, value, JSON.parse(asked.examples)[key])));
  showToken(!sessionStorage.getItem("token"));
  byId("ask").showModal();
}

function keyField(key, value, example) {
  const [field, label, input, hint] = ["div", "label", "input", "span"].map((name) => document.createElement(name));
  input.name = key;
  input.defaultValue = written(value);
  input.autocomplete = "off";
  hint.className = "hint";
  hint.id = `ask-example-${key.replaceAll(" ", "-")}`;
  hint.textContent = `such as ${written(example)}`;
  input.setAttribute("aria-describedby", hint.id);
  label.append(`${key} `, input);
  field.append(label, hint);
  return field;
}

function written(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

// The keys that were changed. What is no JSON is text.
function changedKeys() {
  const changed = [...byId("ask-keys").querySelectorAll("input")].filter((input) => input.value !== input.defaultValue);
  return Object.fromEntries(changed.map((input) => [input.name, parsed(input.value.trim())]));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function body() {
  const given = JSON.parse(asked.body || "{}");
  for (const field of FIELDS) if (!byId(`ask-${field}-label`).hidden) given[field] = byId(`ask-${field}`).value.trim();
  if (asked.keys) {
    const { Course: course, ...keys } = changedKeys();
    given.set = keys;
    if (course !== undefined) given.course = String(course); // a new one
  }
  return given;
}

function showToken(needed) {
  byId("ask-token-label").hidden = byId("ask-hint").hidden = !needed;
  byId("ask-token").required = needed;
}

async function command() {
  const mine = asked;
  const token = byId("ask-token").value.trim() || sessionStorage.getItem("token") || "";
  byId("ask-do").disabled = true;
  byId("ask-error").textContent = "";
  try {
    const response = await fetch(mine.command, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify(body()),
    });
    if (response.ok) await finish(mine, response, token);
    else if (asked === mine) await refuse(response);
  } catch {
    byId("ask-error").textContent = "Cannot reach the collector.";
  } finally {
    byId("ask-do").disabled = false;
  }
}

async function finish(mine, response, token) {
  const file = /filename="(.+)"/.exec(response.headers.get("Content-Disposition") || "");
  const content = file && (await response.blob());
  if (asked !== mine) return; // the dialog was cancelled meanwhile
  sessionStorage.setItem("token", token);
  byId("ask-token").value = "";
  if (byId("ask-who").value) localStorage.setItem("who", byId("ask-who").value.trim());
  byId("ask").close();
  if (file) save(content, file[1]);
  else tell(`${mine.title}: ${response.status === 202 ? "started, and continues. Reload the page for the result." : "done."}`);
}

async function refuse(response) {
  if (response.status === 401) {
    sessionStorage.removeItem("token");
    showToken(true);
    byId("ask-token").focus();
  }
  byId("ask-error").textContent = response.status === 401 ? "Wrong token. Each start of the collector makes a new one, unless it has a --web-token-file." : (await response.json()).detail;
}

function save(content, name) {
  const link = document.createElement("a");
  link.download = name;
  link.href = URL.createObjectURL(content);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  byId("done").textContent = `${name} is downloaded.`;
}

// A page that does not follow the collector has a place for the result, and shows the new state.
function tell(text) {
  if (!byId("done")) return;
  sessionStorage.setItem("done", text);
  location.reload();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-command]");
  if (button) ask(button);
});
byId("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  command();
});
byId("ask-cancel").addEventListener("click", () => byId("ask").close());
byId("ask").addEventListener("close", () => {
  asked = null;
  focus(opener);
});
if (byId("done")) {
  byId("done").textContent = sessionStorage.getItem("done") || "";
  sessionStorage.removeItem("done");
}
document.documentElement.classList.add("has-script");

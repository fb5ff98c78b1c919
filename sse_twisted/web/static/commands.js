// Commands with the token: the dialog in which they are confirmed, and what comes of them.
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

const COMMANDS = {
  waive: ({ device, name, sailor }) => ({
    title: `Waive the missing tracks of ${device}${sailor ? `, ${sailor}` : ""}`,
    text: `${name} left with tracks missing. Waive them to stop waiting for them today. The reason is logged.`,
    path: `/api/v1/devices/${device}/waive`,
    reason: true,
  }),
  retry: ({ device, name }) => ({
    title: `Inspect ${name} again`,
    text: "It is inspected now, and tracks that failed are downloaded again.",
    path: `/api/v1/devices/${device}/retry`,
  }),
  fetch: ({ device, name, track }) => ({
    title: `Download ${track} of ${name}`,
    text: "Keep the device on until the track is stored.",
    path: `/api/v1/devices/${device}/fetch`,
    body: { track },
  }),
  pause: () => ({ title: "Pause downloads", text: "Devices are still detected and inspected, but no further track is downloaded.", path: "/api/v1/pause" }),
  resume: () => ({ title: "Resume downloads", text: "", path: "/api/v1/resume" }),
};
let asked = null;
let opener = "";

function ask(command, from) {
  asked = COMMANDS[command](from.dataset);
  opener = focusKey(from) || `#${from.id}`;
  byId("ask-title").textContent = asked.title;
  byId("ask-text").textContent = asked.text;
  byId("ask-error").textContent = "";
  byId("ask-reason").value = "";
  byId("ask-reason").required = Boolean(asked.reason);
  byId("ask-reason-label").hidden = !asked.reason;
  showToken(!sessionStorage.getItem("token"));
  byId("ask").showModal();
}

function showToken(needed) {
  byId("ask-token-label").hidden = byId("ask-hint").hidden = !needed;
  byId("ask-token").required = needed;
}

async function command() {
  const mine = asked;
  const token = byId("ask-token").value.trim() || sessionStorage.getItem("token") || "";
  byId("ask-do").disabled = true;
  try {
    const response = await fetch(asked.path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify(asked.body || (asked.reason ? { reason: byId("ask-reason").value.trim() } : {})),
    });
    if (asked !== mine) return; // the dialog was cancelled meanwhile
    if (response.ok) {
      sessionStorage.setItem("token", token);
      byId("ask-token").value = "";
      byId("ask").close();
      tell(`${mine.title}: ${response.status === 202 ? "started, and continues. Reload the page for the result." : "done."}`);
      return;
    }
    if (response.status === 401) {
      sessionStorage.removeItem("token");
      showToken(true);
      byId("ask-token").focus();
    }
    byId("ask-error").textContent = response.status === 401 ? "Wrong token." : (await response.json()).detail;
  } catch {
    byId("ask-error").textContent = "Cannot reach the collector.";
  } finally {
    byId("ask-do").disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-command]");
  if (button) ask(button.dataset.command, button);
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

// A page that does not follow the collector has a place for the result, and shows the new state.
function tell(text) {
  if (!byId("done")) return;
  sessionStorage.setItem("done", text);
  location.reload();
}

if (byId("done")) {
  byId("done").textContent = sessionStorage.getItem("done") || "";
  sessionStorage.removeItem("done");
}
document.documentElement.classList.add("has-script");

// Sends the commands of a page's forms, and reloads the page when one is done.
"use strict";

async function send(form) {
  const fields = Object.fromEntries(new FormData(form));
  const token = fields.token || sessionStorage.getItem("token") || "";
  const error = form.querySelector("[role=alert]");
  const button = form.querySelector("button");
  delete fields.token;
  button.disabled = true;
  error.textContent = "";
  try {
    const response = await fetch(form.dataset.path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify(fields),
    });
    if (response.ok) {
      sessionStorage.setItem("token", token);
      location.reload();
      return;
    }
    if (response.status === 401) sessionStorage.removeItem("token");
    showTokens();
    error.textContent = response.status === 401 ? "Wrong token." : (await response.json()).detail;
  } catch {
    error.textContent = "Cannot reach the collector.";
  }
  button.disabled = false;
}

function showTokens() {
  for (const label of document.querySelectorAll(".token")) {
    label.hidden = Boolean(sessionStorage.getItem("token"));
    label.querySelector("input").required = !label.hidden;
  }
}

for (const form of document.querySelectorAll("form[data-path]"))
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
document.documentElement.classList.add("has-script");
showTokens();

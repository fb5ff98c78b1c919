// The button of the support bundle.
"use strict";

const form = document.getElementById("bundle");
const said = document.getElementById("bundle-said");

async function download() {
  const token = form.elements.token.value.trim() || sessionStorage.getItem("token") || "";
  form.elements.make.disabled = true;
  said.textContent = "The bundle is being made. This can take a minute.";
  try {
    const response = await fetch("/bundle.zip", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: "{}",
    });
    if (response.status === 401) {
      sessionStorage.removeItem("token");
      said.textContent = "Wrong token.";
    } else if (!response.ok) {
      said.textContent = (await response.json()).detail;
    } else {
      sessionStorage.setItem("token", token);
      const link = document.createElement("a");
      link.download = /filename="(.+)"/.exec(response.headers.get("Content-Disposition"))[1];
      link.href = URL.createObjectURL(await response.blob());
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      said.textContent = `${link.download} is downloaded. README.txt in it says what it holds and what was replaced.`;
    }
  } catch {
    said.textContent = "Cannot reach the collector.";
  } finally {
    form.elements.make.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  download();
});
document.documentElement.classList.add("has-script");

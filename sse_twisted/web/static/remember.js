// A form that needs the token has it from the last one of this tab, and the name from the last one of this browser.
"use strict";

const form = document.querySelector("form.drop");
if (form) {
  const { token, who } = form.elements;
  token.value = sessionStorage.getItem("token") || "";
  who.value = localStorage.getItem("who") || "";
  form.addEventListener("submit", () => {
    sessionStorage.setItem("token", token.value.trim());
    localStorage.setItem("who", who.value.trim());
  });
}

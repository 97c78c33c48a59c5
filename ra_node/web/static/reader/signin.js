// Signs in again without leaving the hand: the marks that wait are sent afterwards.

import { request } from "./request.js";

/** Open the dialog; resolves with the new token once `who` is signed in again. */
export async function signInAgain(who, say) {
  const again = await session().catch(() => ({}));
  if (again.who === who) return again.csrf;
  const dialog = document.getElementById("signin");
  const form = dialog.querySelector("form"), error = dialog.querySelector("[role=alert]");
  const password = form.querySelector("input[type=password]");
  error.textContent = "";
  if (!dialog.open) dialog.showModal();
  password.focus();
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        const before = await session();
        const sent = new URLSearchParams({ csrf: before.csrf, name: who, password: password.value });
        const answer = await request("/login", { method: "POST", body: sent, redirect: "manual" });
        const now = await session();
        if (now.who !== who) {
          error.textContent = answer.status === 429 ? say("throttled") : say("wrong_password");
          return;
        }
        password.value = "";
        dialog.close();
        resolve(now.csrf);
      } catch { error.textContent = say("offline"); }
    };
  });
}

async function session() {
  return (await request("/session")).json();
}

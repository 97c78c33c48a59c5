// The page: its element, its words in the reader's language, and what it calls joints and stages.

import { NOT_GRADABLE } from "./hand_state.js";

export const root = document.getElementById("reading");
const words = JSON.parse(root.dataset.words);

export const $ = (id) => document.getElementById(id);
export const say = (key, values = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

export function nameOf(joint) { return joint ? say(`joint_${joint}`) : say("hand"); }

export function labelText(label, reason) {
  if (label === undefined || label === null) return say("no_stage");
  return label === NOT_GRADABLE ? (reason ? say("cannot_because", { reason: say(`reason_${reason}`) }) : say("unjudged")) : say("stage", { stage: label });
}

export function short(label) { return label === undefined ? "–" : label === NOT_GRADABLE ? "×" : String(label); }

/** How many marks wait for the server. */
export function showSaving(waiting, online) {
  const place = $("saved");
  place.dataset.state = !waiting ? "saved" : online ? "saving" : "offline";
  place.textContent = !waiting ? say("saved") : online ? say("saving") : say("unsaved", { count: waiting });
  root.dataset.waiting = waiting;
}

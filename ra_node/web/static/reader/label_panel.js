// The panel of labels: one button a joint, the stages, and what the other readers said.

import { NOT_GRADABLE, WHOLE_HAND } from "./hand_state.js";
import { $, labelText, nameOf, say, short } from "./page.js";

export function showJoints(hand, chosen) {
  const place = $("joints");
  place.hidden = !hand.task.by_joint;
  if (place.dataset.task !== hand.task.id) {
    place.replaceChildren(...hand.rows.map((row) => {
      const line = document.createElement("div");
      line.className = "joint-row";
      line.append(...row.map((name) => {
        const cell = document.createElement("button");
        cell.type = "button";
        cell.dataset.joint = name;
        cell.tabIndex = -1;
        return cell;
      }));
      return line;
    }));
    place.dataset.task = hand.task.id;
  }
  for (const cell of place.querySelectorAll("button")) {
    const name = cell.dataset.joint, label = hand.labels[name], whole = hand.labels[WHOLE_HAND] === NOT_GRADABLE;
    const unjudged = label === NOT_GRADABLE || whole;
    const state = unjudged ? "unjudged" : label === undefined ? "open" : label ? "lesion" : "normal";
    const said = (hand.task.others ?? []).map((one) => short(one.labels[name]));
    cell.className = `joint ${state}`;
    cell.setAttribute("aria-pressed", String(name === chosen));
    cell.setAttribute("aria-label", `${nameOf(name)}: ${labelText(unjudged ? NOT_GRADABLE : label, hand.reasons[name])}`);
    cell.tabIndex = name === chosen ? 0 : -1;
    cell.replaceChildren(span("joint-name", say(`short_${name}`)), span("joint-stage", unjudged ? "×" : label ?? "·"));
    if (said.length) cell.append(span("joint-others", said.join(" | ")));
  }
}

export function showStages(hand, chosen) {
  const label = hand.labels[chosen];
  for (const button of document.querySelectorAll("[data-stage]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.stage) === label));
  }
  $("cannot").setAttribute("aria-pressed", String(label === NOT_GRADABLE));
  $("chosen").textContent = `${nameOf(chosen)}: ${labelText(label, hand.reasons[chosen])}`;
  const others = $("others");
  if (!others) return;
  const lines = (hand.task.others ?? []).flatMap((one) => [
    ...(one.whole ? [say("model_says", { label: one.whole })] : []),
    ...(one.whole && !chosen ? [] : [say("reader_said", { reader: one.title, label: labelText(one.labels[chosen], one.reasons?.[chosen]) })]),
  ]);
  others.replaceChildren(...lines.map((text) => {
    const line = document.createElement("li");
    line.textContent = text;
    return line;
  }));
}

function span(name, text) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  return made;
}

/* Keeps what a person is doing while a part of the page refreshes itself: open details, scroll positions,
   a selection of text, a form that is being filled. */
"use strict";

const kept = { details: new Map(), scrolls: new Map() };

function isBusy(part) {
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return true;
  const focused = document.activeElement;
  if (part.contains(focused) && focused.matches("input, select, textarea")) return true;
  return part.querySelector("input:checked") !== null;
}

function keep(part) {
  kept.details = new Map([...part.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  kept.scrolls = new Map(
    [...part.querySelectorAll("[id]")]
      .filter((one) => one.scrollTop || one.scrollLeft)
      .map((one) => [one.id, [one.scrollLeft, one.scrollTop]]),
  );
  kept.scrolls.set("", [window.scrollX, window.scrollY]);
}

function restore() {
  for (const [id, open] of kept.details) {
    const found = document.getElementById(id);
    if (found) found.open = open;
  }
  for (const [id, [left, top]] of kept.scrolls) {
    if (id === "") window.scrollTo(left, top);
    else document.getElementById(id)?.scrollTo(left, top);
  }
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  if (part.id !== "live") return;
  if (isBusy(part)) event.detail.shouldSwap = false;
  else keep(part);
});
document.addEventListener("htmx:afterSwap", restore);

// Time at the hand on screen, while the page is visible.

let since = 0, spent = 0;

function count() {
  const now = performance.now();
  if (!document.hidden && since) spent += now - since;
  since = now;
}

/** Milliseconds since the last lap. */
export function lap() {
  count();
  const lapped = Math.round(spent);
  spent = 0;
  return lapped;
}

/** From now on the time belongs to another hand. */
export function restart() { [spent, since] = [0, performance.now()]; }

document.addEventListener("visibilitychange", () => {
  if (document.hidden && since) spent += performance.now() - since;
  since = performance.now();
});

// The reading page: keys, touch and screen of one hand at a time. Every mark goes through the outbox.

import { HandState, NOT_GRADABLE, WHOLE_HAND } from "./hand_state.js";
import { showJoints, showStages } from "./label_panel.js";
import { Outbox, newId } from "./outbox.js";
import { $, nameOf, root, say, showSaving } from "./page.js";
import { forget, picture } from "./pictures.js";
import { request } from "./request.js";
import { signInAgain } from "./signin.js";
import { lap, restart } from "./time_at_hand.js";
import { Viewer } from "./viewer.js";

const base = root.dataset.base;

/** Side of the drawn box in proximal phalanges: smaller than what the networks see, so that boxes do not overlap. */
const BOX_SHARE = 0.6;
const BOX_STEP_PX = 4, PAN_STEP_PX = 60;
let hand = null, queued = null, chosen = WHOLE_HAND, pointed = null, moving = false, busy = false;

const viewer = new Viewer($("picture"), { chosen: choose, moved: boxMoved, changed: showWindow });
const outbox = new Outbox(root.dataset.who, root.dataset.csrf, {
  saved: onSaved, conflict: onConflict, refused: onRefused, expired: onExpired, state: showSaving,
});

// One hand

async function get(path) {
  let answer, told;
  try {
    answer = await request(base + path);
    if (answer.status === 401) return onExpired().then(() => get(path));
    if (answer.status >= 500) return retry(() => get(path));
    told = await answer.json();
  } catch { return retry(() => get(path)); }
  if (answer.ok) return told;
  tell(told.text ?? say("failed"), "bad");
  return null;
}

async function load(path) {
  const told = await get(path);
  if (told) await show(told.task);
}

/** Fetch the hand after this one with its picture, so that it shows at once. */
async function prefetch() {
  const from = hand.task;
  if (from.kind === "second_opinion") return;
  try {
    const answer = await request(`${base}/next?after=${from.number}`);
    const { task } = answer.ok ? await answer.json() : {};
    if (!task || hand.task !== from || task.number <= from.number) return; // an earlier hand may just be waiting in the outbox
    queued = task;
    await picture(task);
  } catch { if (queued) forget(queued); }
}

async function retry(again) {
  tell(say("offline"), "warn");
  await new Promise((resolve) => setTimeout(resolve, 2000));
  return again();
}

async function show(task) {
  if (!task) { goHome(); return; }
  hand = new HandState(task);
  [queued, busy] = [null, false];
  viewer.image = null; // nobody stages a hand while the one before it is still on screen
  root.dataset.ready = "";
  moving = false;
  restart();
  chosen = hand.open[0] ?? hand.names[0];
  pointed = null;
  $("count").textContent = say("count", task);
  [$("bar").max, $("bar").value] = [task.total, task.number - 1];
  $("message").hidden = true;
  render();
  try {
    const image = await picture(task);
    if (hand.task !== task) return;
    viewer.show(image, {});
    restart();
    root.dataset.shown = task.id;
    root.dataset.ready = "yes";
  } catch (error) {
    forget(task);
    if (error.message === "expired") return onExpired().then(() => show(task));
    tell(say("picture_missing", { text: error.message }), "bad");
  }
  render();
  prefetch();
}

// Actions

function send(action) {
  outbox.add(`${base}/tasks/${hand.task.id}/actions`, { ...action, spent_ms: lap() });
  render();
}

/** The time between the last mark and the next hand belongs to this hand. */
function sendTime() {
  const spent_ms = lap();
  if (viewer.image && spent_ms > 0) outbox.add(`${base}/tasks/${hand.task.id}/time`, { id: newId(), spent_ms });
}

function act(marks) {
  if (!hand) return;
  const action = { id: newId(), sequence: hand.sequence + 1, marks };
  hand.apply(action.id, marks);
  send(action);
}

async function stage(value) {
  if (!hand || !viewer.image || !hand.names.includes(chosen)) return;
  const joint = chosen, note = hand.beyond(joint, value) ? await askNote() : "";
  if (note !== null) act([{ kind: "stage", joint, stage: value, note }]);
}

function allNormal() {
  if (!hand || !viewer.image || !hand.open.length || hand.task.asked) return;
  act(hand.open.map((joint) => ({ kind: "stage", joint, stage: 0 })));
}

function undo() {
  if (!hand) return;
  const sequence = hand.sequence + 1;
  if (!hand.undo()) { tell(say("nothing_to_undo"), "info"); return; }
  send({ id: newId(), sequence, undo: true });
}

function keep() {
  if (hand?.task.kind === "revision" && !hand.kept) act([{ kind: "kept", joint: WHOLE_HAND }]);
}

function boxMoved(joint, x, y) {
  act([{ kind: "joint_at", joint, x: Math.round(x), y: Math.round(y) }]);
}

async function next() {
  if (!hand || busy) return;
  const left = hand.open;
  if (left.length) {
    choose(left[0]);
    const text = !hand.task.by_joint ? "hand_open" : hand.task.asked ? "joints_undecided" : "joints_open";
    tell(say(text, { count: left.length }), "warn");
    return;
  }
  if (hand.task.kind === "revision" && !hand.kept && !hand.lastAction) { tell(say("decide"), "warn"); return; }
  sendTime();
  if (queued) { await show(queued); return; }
  tell(say("saving"), "info");
  await leave(() => (hand.task.kind === "second_opinion" ? goHome() : load(`/next?after=${hand.task.number}`)));
}

async function previous() {
  if (!hand || busy || hand.task.number < 2 || hand.task.kind === "second_opinion") return;
  sendTime();
  await leave(() => load(`/hands/${hand.task.number - 1}`));
}

/** Go on once all is saved. Until then no key marks the hand that is still on screen: it was meant for the next one. */
async function leave(go) {
  busy = true;
  root.dataset.ready = "";
  await outbox.emptied();
  await go();
  busy = false;
  if (hand && viewer.image) root.dataset.ready = "yes";
}

function goHome() {
  hand = null;
  location.assign(root.dataset.home);
}

/** Ask why; null where the reader cancels. */
function askNote() {
  const dialog = $("note-dialog"), field = $("note");
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "save" ? field.value.trim() : null), { once: true });
  });
}

// Answers of the server

function waits(id) { return outbox.entries.some((one) => one.path.includes(`/${id}/`)); }

function onSaved(_, answer) {
  if (!hand || answer.task.id !== hand.task.id || waits(hand.task.id)) return;
  const { past } = hand;
  hand.take(answer.task);
  hand.past = past;
  render();
}

/** Another tab wrote first, or this part is closed: nothing of ours was recorded, show what is there. */
function onConflict(_, answer) {
  const id = answer.task?.id;
  for (const one of outbox.entries.filter((other) => id && other.path.includes(`/${id}/`))) outbox.drop(one);
  if (hand && id === hand.task.id) {
    hand.take(answer.task);
    render();
  }
  tell(id ? say("conflict", { number: answer.task.number }) : answer.text, "warn");
}

function onRefused(_, answer) {
  tell(answer.text ?? say("failed"), "bad");
  if (hand) get(`/tasks/${hand.task.id}`).then((told) => { if (told) { hand.take(told.task); render(); } });
}

let signingIn = null;
function onExpired() {
  signingIn ??= signInAgain(root.dataset.who, say).then((csrf) => {
    signingIn = null;
    outbox.resume(csrf);
  });
  return signingIn;
}

// Screen

function tell(text, tone) {
  const place = $("message");
  place.textContent = text;
  place.className = `message ${tone}`;
  place.hidden = false;
}

/** The joint whose box is chosen: the one to be staged, or one to look at where the whole hand is staged. */
function boxed() { return hand?.task.by_joint ? chosen : pointed; }

function choose(joint) {
  if (!hand || !(hand.names.includes(joint) || hand.boxRows.flat().includes(joint))) return;
  if (hand.names.includes(joint)) chosen = joint;
  else pointed = joint;
  $("message").hidden = true;
  viewer.choose(joint);
  render();
}

function render() {
  if (!hand) return;
  const { labels } = hand, unit = hand.task.box_px * BOX_SHARE;
  viewer.joints = Object.fromEntries(hand.boxRows.flat().filter((name) => hand.joints[name]).map((name) => [name, {
    x: hand.joints[name][0], y: hand.joints[name][1], side: unit,
    stage: labels[name] >= 0 ? labels[name] : null, unjudged: labels[name] === NOT_GRADABLE || labels[WHOLE_HAND] === NOT_GRADABLE,
  }]));
  viewer.chosen = boxed();
  viewer.draw();
  $("side").textContent = say(`side_${hand.task.side || "none"}`);
  showJoints(hand, chosen);
  showStages(hand, chosen);
  const total = hand.handLabel;
  $("hand-stage").textContent = total === null ? say("hand_none") : total === NOT_GRADABLE ? say("hand_cannot") : say("hand_so_far", { stage: total });
  $("left").textContent = hand.open.length && hand.task.by_joint ? say("left", { count: hand.open.length }) : "";
  $("next").classList.toggle("ready", !hand.open.length && (hand.task.kind !== "revision" || hand.kept || Boolean(hand.lastAction)));
  root.classList.toggle("moving", moving);
  root.dataset.task = hand.task.id;
}

function showWindow() {
  if (!viewer.image) return;
  $("window").textContent = say("window", { width: Math.round(viewer.width), level: Math.round(viewer.level) });
  for (const button of document.querySelectorAll("[data-preset]")) {
    button.setAttribute("aria-pressed", String(button.dataset.preset === viewer.named));
  }
  $("invert").setAttribute("aria-pressed", String(viewer.inverted));
  $("boxes").setAttribute("aria-pressed", String(viewer.boxes));
  $("pan").setAttribute("aria-pressed", String(viewer.tool === "pan"));
  $("move").setAttribute("aria-pressed", String(moving));
}

// "Cannot be judged, because": for the chosen joint or the whole hand

function cannot(whole = !hand?.task.by_joint) {
  if (!hand) return;
  const dialog = $("reasons");
  dialog.dataset.joint = whole ? WHOLE_HAND : chosen;
  $("reasons-title").textContent = say("cannot_title", { what: nameOf(whole ? WHOLE_HAND : chosen) });
  $("reasons-whole").hidden = whole || Boolean(hand.task.asked);
  $("reason-note").value = "";
  dialog.showModal();
}

function because(reason) {
  const dialog = $("reasons"), note = $("reason-note").value.trim();
  if ((reason === "other" || hand.beyond(dialog.dataset.joint, NOT_GRADABLE)) && !note) { $("reason-note").focus(); $("reason-error").hidden = false; return; }
  $("reason-error").hidden = true;
  dialog.close();
  act([{ kind: "not_gradable", joint: dialog.dataset.joint, reason, note }]);
}

// Keys

function step(across, down) {
  if (!hand) return;
  const rows = hand.boxRows, names = rows.flat(), present = boxed();
  if (!names.length) { viewer.panBy(-across * PAN_STEP_PX, -down * PAN_STEP_PX); return; }
  if (!present) { choose(names[0]); return; }
  if (down) {
    const from = rows.findIndex((row) => row.includes(present)), to = Math.min(rows.length - 1, Math.max(0, from + down));
    const x = (name) => hand.joints[name]?.[0] ?? 0;
    if (to !== from) choose(rows[to].reduce((best, name) => (Math.abs(x(name) - x(present)) < Math.abs(x(best) - x(present)) ? name : best)));
    return;
  }
  choose(names[(names.indexOf(present) + across + names.length) % names.length]);
}

function moveStep(across, down) {
  const [dx, dy] = viewer.turned(across * BOX_STEP_PX, down * BOX_STEP_PX, -viewer.turn);
  viewer.moveBox(boxed(), dx, dy);
}

function toggleMove() {
  const joint = boxed() ?? hand?.boxRows.flat()[0];
  if (!joint || !hand.joints[joint]) return;
  if (joint !== boxed()) choose(joint);
  moving = !moving;
  const box = viewer.joints[joint];
  if (!moving && box && (box.x !== hand.joints[joint][0] || box.y !== hand.joints[joint][1])) boxMoved(joint, box.x, box.y);
  tell(moving ? say("moving") : say("moved"), "info");
  viewer.boxes = true;
  viewer.draw();
  root.classList.toggle("moving", moving);
}

function zoom() {
  const place = hand?.joints[boxed()];
  viewer.zoomTo(place && { x: place[0], y: place[1] });
}

const KEYS = {
  n: allNormal, u: undo, x: () => cannot(), k: keep, i: () => viewer.invert(), t: () => viewer.quarterTurn(), z: zoom,
  f: () => viewer.fit(), b: () => { viewer.boxes = !viewer.boxes; viewer.draw(); }, m: toggleMove,
  p: () => { viewer.tool = viewer.tool === "pan" ? "window" : "pan"; viewer.draw(); },
  q: () => viewer.preset("full"), w: () => viewer.preset("standard"), e: () => viewer.preset("bone"), r: () => viewer.preset("soft"),
  Backspace: previous, "+": () => viewer.zoomBy(1.25), "=": () => viewer.zoomBy(1.25), "-": () => viewer.zoomBy(0.8), "?": () => $("help").showModal(),
};
const WITHOUT_IMAGE = ["x", "u", "k", "Backspace", "?"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) { dialogKey(event); return; }
  if (event.target.closest("input, textarea, select") || (busy && event.key !== "Tab")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const onButton = document.activeElement?.matches("button:focus-visible, a:focus-visible, summary:focus-visible");
  if ((key === " " || key === "Enter") && onButton && !document.activeElement.dataset.joint) return;
  if (ARROWS[key]) {
    const [across, down] = ARROWS[key];
    if (moving) moveStep(across, down);
    else if (event.shiftKey) viewer.panBy(-across * PAN_STEP_PX, -down * PAN_STEP_PX);
    else step(across, down);
  } else if (/^[0-5]$/.test(key)) { if (!event.repeat) stage(Number(key)); }
  else if (key === " ") { if (!event.repeat) next(); }
  else if (key === "Enter" && moving) toggleMove();
  else if (key === "Escape" && moving) { moving = false; render(); }
  else if (KEYS[key] && (viewer.image || WITHOUT_IMAGE.includes(key))) { if (!event.repeat || "+-=".includes(key)) KEYS[key](); }
  else return;
  event.preventDefault();
});

function dialogKey(event) {
  const dialog = document.querySelector("dialog[open]");
  if (dialog.id === "reasons" && !event.target.closest("textarea")) {
    const button = dialog.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (button) { event.preventDefault(); button.click(); }
  }
}

// Buttons; a click by mouse or finger leaves the focus where it is, so that space goes to the next hand

root.addEventListener("mousedown", (event) => { if (event.target.closest("button") && !event.target.closest("dialog")) event.preventDefault(); });
root.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { joint, stage: value, preset, act: does, reason, whole } = button.dataset;
  if (busy && !button.closest("dialog")) return;
  if (joint) choose(joint);
  else if (value) stage(Number(value));
  else if (preset) { if (viewer.image) viewer.preset(preset); }
  else if (reason) because(reason);
  else if (whole !== undefined) { $("reasons").close(); cannot(true); }
  else if (does === "next") next();
  else if (does && (viewer.image || WITHOUT_IMAGE.includes(does))) KEYS[does]();
});
window.addEventListener("beforeunload", (event) => { if (outbox.waiting && !outbox.stored().length) event.preventDefault(); });

showSaving(outbox.waiting, true);
outbox.emptied().then(() => load(root.dataset.first));

// Draws the box of a hand on its image; the fields hold percent and can be typed instead.

const image = document.getElementById("draw-image"), box = document.getElementById("draw-box");
const fields = ["left", "top", "right", "bottom"].map((name) => document.getElementById(name));
let start = null;

const share = (event) => {
  const place = image.getBoundingClientRect();
  return [(event.clientX - place.left) / place.width, (event.clientY - place.top) / place.height]
    .map((value) => Math.round(Math.min(1, Math.max(0, value)) * 1000) / 10);
};

function show() {
  const [left, top, right, bottom] = fields.map((field) => Number.parseFloat(field.value));
  box.hidden = !(right > left && bottom > top);
  Object.assign(box.style, { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
}

image.addEventListener("pointerdown", (event) => {
  image.setPointerCapture(event.pointerId);
  start = share(event);
  event.preventDefault();
});
image.addEventListener("pointermove", (event) => {
  if (!start) return;
  const now = share(event);
  const values = [...start.map((value, n) => Math.min(value, now[n])), ...start.map((value, n) => Math.max(value, now[n]))];
  fields.forEach((field, n) => { field.value = values[n]; });
  show();
});
for (const end of ["pointerup", "pointercancel"]) image.addEventListener(end, () => { start = null; });
fields.forEach((field) => field.addEventListener("input", show));
show();

// Shows one hand on a canvas: window and level from the full words, zoom, pan, quarter turns, joint boxes.

const LEAST_ZOOM = 0.05, MOST_ZOOM = 16, DRAG_PX = 4;
const COLOURS = { open: "#c9d3dc", normal: "#6ed6a0", lesion: "#ff9b8c", unjudged: "#f3bd5a", chosen: "#ffd166" };

/** Percentiles of the words that are not background; shares between 0 and 1. */
function percentiles(words, shares) {
  const counts = new Uint32Array(65536);
  let total = 0;
  for (let n = 0; n < words.length; n += 3) {
    if (words[n]) { counts[words[n]]++; total++; }
  }
  return shares.map((share) => {
    let seen = 0;
    for (let value = 0; value < counts.length; value++) {
      seen += counts[value];
      if (seen >= share * total && seen) return value;
    }
    return 65535;
  });
}

export class Viewer {
  /** `on` has the functions chosen(joint), moved(joint, x, y) and changed(). */
  constructor(canvas, on) {
    this.canvas = canvas;
    this.on = on;
    this.ink = canvas.getContext("2d", { alpha: false });
    this.picture = document.createElement("canvas");
    this.joints = {};
    this.chosen = null;
    this.boxes = true;
    this.inverted = false;
    this.tool = "window";
    this.turn = 0;
    this.pointers = new Map();
    this.drawn = 0;
    new ResizeObserver(() => { this.fitCanvas(); this.refit(); }).observe(canvas);
    this.fitCanvas();
    this.listen();
  }

  /** Show a hand, { columns, rows, words, window: [black, white] }; `joints` is { name: { x, y, side, stage, unjudged } }, may be empty. */
  show(image, joints) {
    this.image = image;
    this.joints = joints;
    [this.picture.width, this.picture.height] = [image.columns, image.rows];
    this.pixels = new ImageData(image.columns, image.rows);
    this.tones = new Uint32Array(this.pixels.data.buffer);
    const [black, white] = image.window, [low, middle, soft, top] = percentiles(image.words, [0.005, 0.45, 0.7, 0.9995]);
    const most = image.words.reduce((best, word) => (word > best ? word : best), 1);
    this.presets = { full: [0, most], standard: [black, white], bone: [middle, top], soft: [low, soft] };
    this.turn = 0;
    this.inverted = false;
    this.preset("standard");
    this.fit();
  }

  preset(name) {
    const [low, high] = this.presets[name];
    this.level = (low + high) / 2;
    this.width = Math.max(high - low, 1);
    this.named = name;
    this.retone();
  }

  invert() { this.inverted = !this.inverted; this.retone(); }
  quarterTurn() { this.turn = (this.turn + 1) % 4; this.refit(); }

  /** Whole hand. */
  fit() {
    if (!this.image) return;
    const sideways = this.turn % 2;
    const [w, h] = sideways ? [this.image.rows, this.image.columns] : [this.image.columns, this.image.rows];
    const { width, height } = this.canvas;
    this.scale = Math.min(width / w, height / h) * 0.98;
    this.centre = [this.image.columns / 2, this.image.rows / 2];
    this.fitted = true;
    this.draw();
  }

  refit() { if (this.fitted) this.fit(); else this.draw(); }

  /** A joint in the centre: one image pixel a screen pixel, then two, then the whole hand. */
  zoomTo(point) {
    if (!this.image) return;
    const one = Math.max(1, this.fitScale() * 1.5);
    if (this.fitted) this.scale = one;
    else if (this.scale < one * 1.9) this.scale = one * 2;
    else { this.fit(); return; }
    this.fitted = false;
    if (point) this.centre = [point.x, point.y];
    this.draw();
  }

  fitScale() {
    const sideways = this.turn % 2;
    const [w, h] = sideways ? [this.image.rows, this.image.columns] : [this.image.columns, this.image.rows];
    return Math.min(this.canvas.width / w, this.canvas.height / h) * 0.98;
  }

  /** Zoom about a point of the screen, in canvas pixels; the centre without one. */
  zoomBy(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const [ix, iy] = this.toImage(x, y);
    this.scale = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.scale * factor));
    this.fitted = false;
    const [jx, jy] = this.toImage(x, y);
    this.centre = [this.centre[0] + ix - jx, this.centre[1] + iy - jy];
    this.draw();
  }

  /** Move by canvas pixels. */
  panBy(dx, dy) {
    if (!this.image) return;
    const [ix, iy] = this.turned(dx / this.scale, dy / this.scale, -this.turn);
    this.centre = [this.centre[0] - ix, this.centre[1] - iy];
    this.fitted = false;
    this.draw();
  }

  windowBy(dx, dy) {
    const span = (this.presets.full[1] - this.presets.full[0]) / 700;
    this.width = Math.max(16, this.width + dx * span);
    this.level += dy * span;
    this.named = "";
    this.retone();
  }

  choose(joint) {
    this.chosen = joint;
    if (this.image && !this.fitted && joint && this.joints[joint]) this.centre = [this.joints[joint].x, this.joints[joint].y];
    this.draw();
  }

  /** Move the box of a joint by image pixels and keep it inside the image. */
  moveBox(joint, dx, dy) {
    const box = this.joints[joint];
    box.x = Math.min(this.image.columns - 1, Math.max(0, box.x + dx));
    box.y = Math.min(this.image.rows - 1, Math.max(0, box.y + dy));
    this.draw();
  }

  // Drawing

  retone() {
    const low = this.level - this.width / 2, table = new Uint32Array(65536);
    for (let value = 0; value < 65536; value++) {
      let tone = Math.min(255, Math.max(0, ((value - low) * 255) / this.width)) | 0;
      if (this.inverted) tone = 255 - tone;
      table[value] = 0xff000000 | (tone << 16) | (tone << 8) | tone;
    }
    this.table = table;
    this.stale = true;
    this.draw();
  }

  draw() {
    if (!this.drawn) this.drawn = requestAnimationFrame(() => { this.drawn = 0; this.paint(); });
  }

  paint() {
    const { ink, image, canvas } = this;
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, canvas.width, canvas.height);
    if (!image) return;
    if (this.stale) {
      const { words } = image, { table, tones } = this;
      for (let n = 0; n < words.length; n++) tones[n] = table[words[n]];
      this.picture.getContext("2d").putImageData(this.pixels, 0, 0);
      this.stale = false;
    }
    ink.translate(canvas.width / 2, canvas.height / 2);
    ink.rotate((this.turn * Math.PI) / 2);
    ink.scale(this.scale, this.scale);
    ink.translate(-this.centre[0], -this.centre[1]);
    ink.imageSmoothingQuality = "high";
    ink.drawImage(this.picture, 0, 0);
    if (this.boxes) this.paintBoxes();
    this.on.changed?.();
  }

  paintBoxes() {
    const { ink } = this, unit = this.pixelRatio();
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.font = `600 ${13 * unit}px system-ui, sans-serif`;
    ink.textBaseline = "bottom";
    for (const [name, box] of Object.entries(this.joints)) {
      const chosen = name === this.chosen;
      const [x, y] = this.toScreen(box.x, box.y), half = Math.max(9 * unit, (box.side * this.scale) / 2);
      const known = box.stage !== null && box.stage !== undefined;
      const colour = box.unjudged ? COLOURS.unjudged : !known ? COLOURS.open : box.stage ? COLOURS.lesion : COLOURS.normal;
      ink.lineWidth = (chosen ? 2.5 : 1.25) * unit;
      ink.strokeStyle = chosen ? COLOURS.chosen : colour;
      ink.setLineDash(known || box.unjudged || chosen ? [] : [4 * unit, 4 * unit]);
      ink.strokeRect(x - half, y - half, 2 * half, 2 * half);
      const text = box.unjudged ? "×" : known ? String(box.stage) : "";
      if (!text) continue;
      ink.setLineDash([]);
      ink.lineWidth = 3 * unit;
      ink.strokeStyle = "#000";
      ink.strokeText(text, x + half + 3 * unit, y - half + 12 * unit);
      ink.fillStyle = colour;
      ink.fillText(text, x + half + 3 * unit, y - half + 12 * unit);
    }
    ink.setLineDash([]);
  }

  // Coordinates

  pixelRatio() { return window.devicePixelRatio || 1; }

  fitCanvas() {
    const ratio = this.pixelRatio(), { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
  }

  turned(x, y, quarters) {
    return [[x, y], [-y, x], [-x, -y], [y, -x]][((quarters % 4) + 4) % 4];
  }

  toImage(x, y) {
    const [dx, dy] = this.turned((x - this.canvas.width / 2) / this.scale, (y - this.canvas.height / 2) / this.scale, -this.turn);
    return [this.centre[0] + dx, this.centre[1] + dy];
  }

  toScreen(x, y) {
    const [dx, dy] = this.turned(x - this.centre[0], y - this.centre[1], this.turn);
    return [this.canvas.width / 2 + dx * this.scale, this.canvas.height / 2 + dy * this.scale];
  }

  at(event) {
    const place = this.canvas.getBoundingClientRect(), ratio = this.pixelRatio();
    return [(event.clientX - place.left) * ratio, (event.clientY - place.top) * ratio];
  }

  /** The joint whose box is under a point of the screen, the nearest centre first. */
  jointAt(x, y) {
    let found = null, nearest = Infinity;
    for (const [name, box] of Object.entries(this.joints)) {
      const [bx, by] = this.toScreen(box.x, box.y), reach = Math.max(22 * this.pixelRatio(), (box.side * this.scale) / 2);
      const away = Math.max(Math.abs(x - bx), Math.abs(y - by));
      if (away <= reach && away < nearest) [found, nearest] = [name, away];
    }
    return found;
  }

  // Pointers: mouse, pen and fingers

  listen() {
    const { canvas } = this;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (this.image) this.zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15, ...this.at(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.up(event));
  }

  down(event) {
    if (!this.image) return;
    this.canvas.setPointerCapture(event.pointerId);
    const point = this.at(event), joint = this.boxes ? this.jointAt(...point) : null;
    this.pointers.set(event.pointerId, point);
    const pans = event.button !== 0 || event.shiftKey || this.tool === "pan";
    const grabs = joint && joint === this.chosen && event.button === 0;
    this.drag = { start: point, joint, does: grabs ? "box" : pans ? "pan" : "window", went: false };
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.drag) return;
    const now = this.at(event), [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    if (this.pointers.size === 2) { this.pinch(event.pointerId, before, now); return; }
    const far = Math.hypot(now[0] - this.drag.start[0], now[1] - this.drag.start[1]);
    if (!this.drag.went && far < DRAG_PX * this.pixelRatio()) return;
    this.drag.went = true;
    this.pointers.set(event.pointerId, now);
    if (this.drag.does === "box") {
      const [ix, iy] = this.turned(dx / this.scale, dy / this.scale, -this.turn);
      this.moveBox(this.drag.joint, ix, iy);
    } else if (this.drag.does === "pan") this.panBy(dx, dy);
    else this.windowBy(dx, dy);
  }

  pinch(id, before, now) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, point]) => point);
    const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    this.pointers.set(id, now);
    this.drag.went = true;
    this.drag.does = "none";
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    this.panBy((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    if (apart(before) > 1) this.zoomBy(apart(now) / apart(before), ...middle);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || !this.drag) return;
    const { joint, does, went } = this.drag;
    if (!went && joint && event.type === "pointerup") this.on.chosen?.(joint);
    if (went && does === "box") this.on.moved?.(joint, this.joints[joint].x, this.joints[joint].y);
    if (!this.pointers.size) this.drag = null;
  }
}

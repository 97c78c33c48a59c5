// The pictures of hands, kept for the next look.

import { say } from "./page.js";
import { request } from "./request.js";

/** A picture has megabytes: longer than any other request. */
const PICTURE_MS = 120_000;
const pictures = new Map();

/** The picture of a task, fetched once; the last three are kept. Its words are 16-bit, rows x columns. */
export function picture(task) {
  if (!pictures.has(task.picture)) {
    pictures.set(task.picture, request(task.picture, {}, PICTURE_MS).then(async (answer) => {
      if (answer.status === 401) throw new Error("expired");
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).text ?? say("no_picture"));
      const words = new Uint16Array(await answer.arrayBuffer()), { rows, columns } = task;
      if (words.length !== rows * columns) throw new Error(say("no_picture"));
      return { words, rows, columns, window: answer.headers.get("X-Window").split(",").map(Number) };
    }));
  }
  for (const key of [...pictures.keys()].slice(0, -3)) pictures.delete(key);
  return pictures.get(task.picture);
}

/** Fetch it anew at the next look. */
export function forget(task) { pictures.delete(task.picture); }

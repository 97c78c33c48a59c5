// Every request of the reading page ends: a network that swallows packets answers nothing and refuses nothing.

const LIMIT_MS = 15_000;

/** fetch() that fails once the response has been awaited, or its body read, for `limit` ms. */
export function request(path, options = {}, limit = LIMIT_MS) {
  const ended = new AbortController();
  setTimeout(() => ended.abort(), limit);
  return fetch(path, { ...options, signal: ended.signal });
}

// Where the server is, and what the service behind it has seen; test_javascript.py starts both.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

export const PROMPTER = needed("PROMPTER_CLIENT_URL");
export const RECORDINGS = needed("PROMPTER_CLIENT_RECORDINGS");
const UPSTREAM = needed("PROMPTER_CLIENT_UPSTREAM");

export const USAGE = { prompt_tokens: 11, completion_tokens: 2, total_tokens: 13 };
export const PLACES = ["UTC", "Europe/Madrid"];

function needed(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is missing: run these tests through backend/tests/clients/test_javascript.py`);
  return value;
}

/** A prompt that no other test sends. */
export function words() {
  return `note ${randomUUID()}`;
}

/** The bodies that the upstream was sent and that hold these words. */
export async function about(text) {
  const bodies = await (await fetch(`${UPSTREAM}/asked`)).json();
  return bodies.filter((body) => JSON.stringify(body).includes(text));
}

async function left() {
  return (await (await fetch(`${UPSTREAM}/left`)).json()).left;
}

/** Fails unless leaving closes the upstream's connection, open until then, within a second. */
export async function closesUpstream(leave) {
  assert.equal(await left(), false, "the upstream's answer is under way");
  const begun = performance.now();
  await leave();
  while (!(await left())) {
    assert.ok(performance.now() - begun < 1000, "the upstream is still open after 1 s");
    await sleep(20);
  }
}

export async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

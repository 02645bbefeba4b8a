// anthropic for JavaScript against /v1/messages: text, tools, thoughts, tokens, models, errors, leaving.
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { PLACES, PROMPTER, about, all, closesUpstream, words } from "./support.js";

const client = new Anthropic({ baseURL: PROMPTER.replace(/\/v1$/, ""), apiKey: "none", maxRetries: 0 });
const TOOL = { name: "get_time", input_schema: { type: "object", properties: { tz: { type: "string" } } } };

function ask(model, said, more) {
  const messages = typeof said === "string" ? [{ role: "user", content: said }] : said;
  return { model: `fake/${model}`, max_tokens: 100, messages, ...more };
}

test("text", async () => {
  const message = await client.messages.create(ask("tiny", "Hi", { system: "Be brief" }));
  assert.equal(message.content[0].text, "Hello world");
  assert.equal(message.stop_reason, "end_turn");
  assert.equal(message.usage.input_tokens, 11);
});

test("text in pieces", async () => {
  const stream = client.messages.stream(ask("tiny", "Hi"));
  const pieces = [];
  stream.on("text", (text) => pieces.push(text));
  assert.equal(await stream.finalText(), "Hello world");
  assert.deepEqual(pieces, ["Hello", " world"]);
});

for (const streamed of [false, true]) {
  test(`calls come and results go back, streamed: ${streamed}`, async () => {
    const said = words();
    const fields = ask("clock", said, { tools: [TOOL] });
    const message = await (streamed ? client.messages.stream(fields).finalMessage() : client.messages.create(fields));
    assert.deepEqual(
      message.content.map((block) => block.input.tz),
      PLACES,
    );
    const results = message.content.map((block) => ({
      type: "tool_result",
      tool_use_id: block.id,
      content: `noon in ${block.input.tz}. `,
    }));
    const turns = [
      { role: "user", content: said },
      { role: "assistant", content: message.content },
      { role: "user", content: results },
    ];
    const answer = await client.messages.create(ask("clock", turns, { tools: [TOOL] }));
    assert.equal(answer.content[0].text, "noon in UTC. noon in Europe/Madrid. ");
    const sent = (await about(said)).at(-1).messages.map((each) => each.role);
    assert.deepEqual(sent, ["user", "assistant", "tool", "tool"]);
  });
}

test("thoughts", async () => {
  const thinking = { type: "enabled", budget_tokens: 1024 };
  const message = await client.messages.stream(ask("thinker", "Hi", { thinking, max_tokens: 2048 })).finalMessage();
  assert.deepEqual(
    message.content.map((block) => block.type),
    ["thinking", "text"],
  );
  assert.equal(message.content[0].thinking, "Let me think.");
  assert.ok(message.content[0].signature);
});

test("tokens are counted", async () => {
  const counted = await client.messages.countTokens({
    model: "fake/tiny",
    messages: [{ role: "user", content: "x".repeat(400) }],
  });
  assert.ok(counted.input_tokens > 100);
});

test("models are listed page by page", async () => {
  const ids = (await all(client.models.list({ limit: 3 }))).map((model) => model.id);
  assert.ok(ids.includes("echo") && ids.includes("fake/tiny"));
  assert.equal(new Set(ids).size, ids.length);
});

for (const [model, type, kind] of [
  ["full", Anthropic.BadRequestError, "invalid_request_error"],
  ["locked", Anthropic.AuthenticationError, "authentication_error"],
  ["nobody", Anthropic.NotFoundError, "not_found_error"],
  ["busy", Anthropic.RateLimitError, "rate_limit_error"],
]) {
  test(`${model}: the exception that users catch`, async () => {
    const caught = await failure(client.messages.create(ask(model, "Hi")));
    assert.ok(caught instanceof type, String(caught));
    assert.equal(caught.error.error.type, kind);
  });
}

test("a stream that breaks off raises", async () => {
  const caught = await failure(client.messages.stream(ask("cut", "Hi")).finalMessage());
  assert.ok(caught instanceof Anthropic.APIError, String(caught));
});

test("leaving a stream closes the upstream", async () => {
  const stream = await client.messages.create(ask("endless", "Hi", { stream: true }));
  await stream[Symbol.asyncIterator]().next();
  await closesUpstream(() => stream.controller.abort());
});

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "nothing failed" });
}

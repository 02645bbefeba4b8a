// The AI SDK: its openai-compatible provider, set up as Cline sets it up, and its provider of OpenAI, which asks Responses.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

import { PLACES, PROMPTER, RECORDINGS, about, all, closesUpstream, words } from "./support.js";

const cline = createOpenAICompatible({
  name: "prompter",
  baseURL: PROMPTER,
  apiKey: "sk-any",
  includeUsage: true,
});

const clock = tool({
  description: "The time somewhere.",
  inputSchema: jsonSchema({ type: "object", properties: { tz: { type: "string" } }, required: ["tz"] }),
  execute: async ({ tz }) => `noon in ${tz}. `,
});

/** Stream without printing errors: they are parts of the stream, and that is what is looked at. */
const stream = (model, more) =>
  streamText({ model: cline(model), maxRetries: 0, onError: () => {}, prompt: "Hi", ...more });

test("a streamed answer with its usage", async () => {
  const result = stream("fake/tiny");
  assert.equal(await result.text, "Hello world");
  assert.equal(await result.finishReason, "stop");
  const usage = await result.usage;
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.totalTokens], [11, 2, 13]);
});

test("a whole answer with its usage", async () => {
  const { text, usage, finishReason } = await generateText({ model: cline("fake/tiny"), prompt: "Hi" });
  assert.deepEqual([text, finishReason, usage.totalTokens], ["Hello world", "stop", 13]);
});

test("an alias keeps the model that Cline has in its settings", async () => {
  assert.equal(await stream("claude-sonnet-4").text, "Hello world");
});

test("list content, of the system too", async () => {
  const say = words();
  const listed = createOpenAICompatible({
    name: "prompter",
    baseURL: `${PROMPTER}/`,
    transformRequestBody: (body) => ({
      ...body,
      messages: body.messages.map((message) =>
        typeof message.content === "string"
          ? { ...message, content: [{ type: "text", text: message.content }] }
          : message,
      ),
    }),
  });
  const pixel = Buffer.from("iVBORw0KGgo=", "base64");
  const result = streamText({
    model: listed("fake/tiny"),
    system: "Be brief.",
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: say },
          { type: "file", data: pixel, mediaType: "image/png" },
        ],
      },
    ],
  });
  assert.equal(await result.text, "Hello world");
  const [{ messages }] = await about(say);
  assert.deepEqual(messages[0].content, [{ type: "text", text: "Be brief." }]);
  assert.match(messages[1].content[1].image_url.url, /^data:image\/png;base64,/);
});

test("tools go round in one conversation", async () => {
  const say = words();
  const result = stream("fake/clock", { prompt: say, tools: { get_time: clock }, stopWhen: stepCountIs(3) });
  assert.equal(await result.text, "noon in UTC. noon in Europe/Madrid. ");
  const [first, second] = await result.steps;
  assert.equal(first.finishReason, "tool-calls");
  assert.deepEqual(
    first.toolCalls.map((call) => [call.toolName, call.input.tz]),
    PLACES.map((place) => ["get_time", place]),
  );
  assert.equal(second.finishReason, "stop");
  const [, again] = await about(say);
  assert.deepEqual(
    again.messages.map((message) => message.role),
    ["user", "assistant", "tool", "tool"],
  );
  assert.equal(again.messages[1].tool_calls.length, 2);
});

for (const model of ["fake/thinker", "fake/vllm-thinker"]) {
  test(`${model}: thoughts are parts of their own`, async () => {
    const parts = await all(stream(model).stream);
    const of = (type) => parts.filter((part) => part.type === type).map((part) => part.text);
    assert.equal(of("reasoning-delta").join(""), "Let me think.");
    assert.equal(of("text-delta").join(""), "Noon.");
    const { reasoningText, text } = await generateText({ model: cline(model), prompt: "Hi" });
    assert.deepEqual([reasoningText, text], ["Let me think.", "Noon."]);
  });
}

test("thoughts go back with the call they led to", async () => {
  const say = words();
  const result = stream("fake/thinker", { prompt: say, tools: { get_time: clock }, stopWhen: stepCountIs(3) });
  assert.equal(await result.text, "Noon.");
  const [, again] = await about(say);
  assert.equal(again.messages[1].reasoning_content, "I need a clock.");
  assert.equal(again.messages[1].tool_calls[0].function.name, "get_time");
  assert.equal(again.messages[2].content, "noon in UTC. ");
});

for (const model of ["fake/cut", "fake/late"]) {
  test(`${model}: an answer that breaks off is an error part`, async () => {
    const parts = await all(stream(model).stream);
    const errors = parts.filter((part) => part.type === "error");
    assert.equal(errors.length, 1, JSON.stringify(parts));
    const told = JSON.stringify(errors[0].error) + String(errors[0].error?.message);
    assert.match(told, model === "fake/cut" ? /upstream_truncated/ : /the model fell over/);
  });
}

for (const [model, status] of [
  ["fake/bad", 400],
  ["fake/locked", 401],
  ["fake/gone", 404],
  ["fake/busy", 429],
  ["fake/nobody", 404],
]) {
  test(`${model}: the reason is shown and not only the status`, async () => {
    const [error] = (await all(stream(model).stream)).filter((part) => part.type === "error");
    assert.ok(APICallError.isInstance(error.error), String(error.error));
    assert.equal(error.error.statusCode, status);
    assert.equal(error.error.isRetryable, status === 429);
    assert.equal(error.error.message, JSON.parse(error.error.responseBody).error.message);
  });
}

test("too long a prompt is told as Cline looks for it", async () => {
  const [error] = (await all(stream("fake/full").stream)).filter((part) => part.type === "error");
  assert.equal(error.error.statusCode, 400);
  assert.equal(JSON.parse(error.error.responseBody).error.code, "context_length_exceeded");
});

test("aborting closes the upstream", async () => {
  const aborter = new AbortController();
  const result = stream("fake/endless", { abortSignal: aborter.signal });
  const parts = result.stream[Symbol.asyncIterator]();
  while ((await parts.next()).value?.type !== "text-delta");
  await closesUpstream(() => aborter.abort());
});

test("a recording, as Cline's voice input sends it", async () => {
  const form = new FormData();
  const data = readFileSync(`${RECORDINGS}/en_weather_madrid_48k.wav`);
  form.append("model", "whisper-1");
  form.append("file", new File([data], "audio.wav", { type: "audio/wav" }));
  form.append("response_format", "verbose_json");
  form.append("timestamp_granularities[]", "segment");
  const headers = { Authorization: "Bearer sk-any" };
  const response = await fetch(`${PROMPTER}/audio/transcriptions`, { method: "POST", body: form, headers });
  const told = await response.json();
  assert.equal(told.text, "What is the weather like in Madrid today?");
  assert.equal(told.language, "english");
  assert.ok(told.duration > 1);
});

const openai = createOpenAI({ baseURL: PROMPTER, apiKey: "sk-any" });

test("createOpenAI asks Responses, whole and as a stream", async () => {
  const whole = await generateText({ model: openai("fake/tiny"), prompt: "Hi" });
  assert.deepEqual([whole.text, whole.finishReason, whole.usage.totalTokens], ["Hello world", "stop", 13]);
  const streamed = streamText({ model: openai("fake/tiny"), prompt: "Hi", onError: () => {} });
  assert.equal(await streamed.text, "Hello world");
});

test("createOpenAI: tools go round, and what came goes back whole", async () => {
  const say = words();
  const result = streamText({
    model: openai("fake/clock"),
    prompt: say,
    tools: { get_time: clock },
    stopWhen: stepCountIs(3),
    providerOptions: { openai: { store: false } },
    onError: () => {},
  });
  assert.equal(await result.text, "noon in UTC. noon in Europe/Madrid. ");
  const [, again] = await about(say);
  assert.deepEqual(
    again.messages.map((message) => message.role),
    ["user", "assistant", "tool", "tool"],
  );
});

test("createOpenAI: chat, completion and embedding models", async () => {
  for (const model of [openai.chat("fake/tiny"), openai.completion("fake/tiny")]) {
    assert.equal((await generateText({ model, prompt: "Hi" })).text, "Hello world");
  }
  const { embedding } = await embed({ model: openai.embedding("fake/tiny"), value: "one" });
  assert.deepEqual(embedding, [0, 0.5]);
});

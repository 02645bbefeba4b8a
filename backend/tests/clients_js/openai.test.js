// openai for JavaScript: models, answers, tools, errors, leaving, transcriptions.
import assert from "node:assert/strict";
import { createReadStream, readFileSync } from "node:fs";
import { test } from "node:test";

import OpenAI, { toFile } from "openai";

import { PLACES, PROMPTER, RECORDINGS, USAGE, about, all, closesUpstream, words } from "./support.js";

const client = new OpenAI({ baseURL: PROMPTER, apiKey: "sk-any", maxRetries: 0 });
const tool = {
  type: "function",
  function: { name: "get_time", parameters: { type: "object", properties: { tz: { type: "string" } } } },
};

function ask(model, say = "Hi", more = {}) {
  return { model: `fake/${model}`, messages: [{ role: "user", content: say }], ...more };
}

const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");

test("models are listed and found", async () => {
  const ids = (await all(client.models.list())).map((model) => model.id);
  for (const id of ["echo", "fake/tiny", "fake/org/with/slashes:8b"]) {
    assert.ok(ids.includes(id), id);
    assert.equal((await client.models.retrieve(id)).id, id);
  }
});

test("a whole answer", async () => {
  const answer = await client.chat.completions.create(ask("tiny"));
  assert.equal(answer.choices[0].message.content, "Hello world");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.deepEqual({ ...answer.usage }, { ...answer.usage, ...USAGE });
  assert.ok(answer._request_id);
});

test("a streamed answer, its order and its usage", async () => {
  const more = { stream: true, stream_options: { include_usage: true } };
  const chunks = await all(await client.chat.completions.create(ask("tiny", "Hi", more)));
  assert.equal(textOf(chunks), "Hello world");
  const counted = chunks.pop();
  assert.deepEqual(counted.choices, []);
  assert.deepEqual({ ...counted.usage }, { ...counted.usage, ...USAGE });
  const reasons = chunks.map((chunk) => chunk.choices[0].finish_reason);
  assert.deepEqual(reasons, [...Array(chunks.length - 1).fill(null), "stop"]);
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  for (const chunk of chunks) assert.ok("content" in chunk.choices[0].delta, JSON.stringify(chunk));
});

test("without usage where it was not asked for", async () => {
  const chunks = await all(await client.chat.completions.create(ask("tiny", "Hi", { stream: true })));
  assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage));
});

test("list content in every role", async () => {
  const say = words();
  const parts = [{ type: "text", text: say }];
  const call = { id: "call_0", type: "function", function: { name: "get_time", arguments: "{}" } };
  const messages = [
    { role: "system", content: parts },
    { role: "user", content: parts },
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "tool", tool_call_id: "call_0", content: parts },
    { role: "assistant", content: parts },
    { role: "user", content: "go on" },
  ];
  const answer = await client.chat.completions.create(ask("tiny", "", { messages }));
  assert.equal(answer.choices[0].message.content, "Hello world");
  assert.equal((await about(say))[0].messages.length, messages.length);
});

test("tools go round through the SDK's runner", async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    ...ask("clock", "What time is it?", { stream: true }),
    tools: [
      {
        type: "function",
        function: {
          ...tool.function,
          parse: JSON.parse,
          function: ({ tz }) => {
            asked.push(tz);
            return `noon in ${tz}. `;
          },
        },
      },
    ],
  });
  assert.equal(await runner.finalContent(), "noon in UTC. noon in Europe/Madrid. ");
  assert.deepEqual(asked, PLACES);
});

test("the SDK puts the pieces of calls together", async () => {
  const stream = client.chat.completions.stream(ask("clock", "Hi", { tools: [tool] }));
  const { tool_calls } = (await stream.finalChatCompletion()).choices[0].message;
  assert.deepEqual(
    tool_calls.map((call) => [call.id, JSON.parse(call.function.arguments).tz]),
    PLACES.map((place, index) => [`call_${index}`, place]),
  );
});

const refusals = [
  ["bad", OpenAI.BadRequestError, 400],
  ["full", OpenAI.BadRequestError, 400],
  ["locked", OpenAI.AuthenticationError, 401],
  ["gone", OpenAI.NotFoundError, 404],
  ["busy", OpenAI.RateLimitError, 429],
  ["broken", OpenAI.InternalServerError, undefined],
  ["loading", OpenAI.InternalServerError, 503],
];
for (const [model, raised, status] of refusals) {
  for (const stream of [false, true]) {
    test(`${model} is ${raised.name}, stream ${stream}`, async () => {
      const caught = await failure(client.chat.completions.create(ask(model, "Hi", { stream })));
      assert.ok(caught instanceof raised, String(caught));
      if (status) assert.equal(caught.status, status);
      assert.ok(caught.requestID);
      assert.ok(caught.error.message);
      if (model === "bad") assert.equal(caught.param, "temperature");
      if (model === "full") assert.equal(caught.code, "context_length_exceeded");
    });
  }
}

test("a limit is tried three times and waits as told", async () => {
  const say = words();
  const begun = performance.now();
  const patient = client.withOptions({ maxRetries: 2 });
  assert.ok((await failure(patient.chat.completions.create(ask("busy", say)))) instanceof OpenAI.RateLimitError);
  assert.equal((await about(say)).length, 3);
  assert.ok(performance.now() - begun > 1500);
});

test("an unreadable body says why", async () => {
  const caught = await failure(client.chat.completions.create(ask("tiny", "", { messages: "Hi" })));
  assert.ok(caught instanceof OpenAI.BadRequestError, String(caught));
  assert.equal(caught.type, "invalid_request_error");
  assert.match(caught.message + caught.param, /messages/);
});

for (const [model, code] of [
  ["late", /./],
  ["cut", /^upstream_truncated$/],
]) {
  test(`${model}: an error within a stream is raised there`, async () => {
    const stream = await client.chat.completions.create(ask(model, "Hi", { stream: true }));
    const caught = await failure(all(stream));
    assert.ok(caught instanceof OpenAI.APIError, String(caught));
    assert.match(caught.code, code);
    assert.ok(caught.message);
  });
}

test("aborting a stream closes the upstream", async () => {
  const stream = await client.chat.completions.create(ask("endless", "Hi", { stream: true }));
  const items = stream[Symbol.asyncIterator]();
  await items.next();
  await closesUpstream(() => stream.controller.abort());
});

test("leaving the loop closes the upstream", async () => {
  const stream = await client.chat.completions.create(ask("endless", "Hi", { stream: true }));
  await closesUpstream(async () => {
    for await (const chunk of stream) if (chunk.choices) break;
  });
});

const SAID = "What is the weather like in Madrid today?";
const path = `${RECORDINGS}/en_weather_madrid_48k.wav`;
const transcribe = (more) =>
  client.audio.transcriptions.create({ model: "whisper-1", file: createReadStream(path), ...more });

test("transcription as json", async () => assert.equal((await transcribe({})).text, SAID));

test("transcription of bytes with a name", async () => {
  const file = await toFile(readFileSync(path), "speech.wav", { type: "audio/wav" });
  assert.equal((await transcribe({ file })).text, SAID);
});

test("transcription as verbose_json with words", async () => {
  const grains = { response_format: "verbose_json", timestamp_granularities: ["word", "segment"] };
  const told = await transcribe(grains);
  assert.equal(told.text, SAID);
  assert.equal(told.words.length, SAID.split(" ").length);
  assert.ok(told.segments[0].end > told.segments[0].start);
});

for (const [format, begins] of Object.entries({ text: SAID, srt: "1\n00:00:0", vtt: "WEBVTT\n\n00:0" })) {
  test(`transcription as ${format}`, async () => {
    const told = await transcribe({ response_format: format });
    assert.equal(typeof told, "string");
    assert.ok(told.startsWith(begins), told);
  });
}

test("transcription as a stream", async () => {
  const events = await all(await transcribe({ stream: true }));
  const done = events.pop();
  assert.equal(done.type, "transcript.text.done");
  assert.equal(done.text, SAID);
  assert.equal(events.map((event) => event.delta).join(""), SAID);
});

test("transcription of what is no recording", async () => {
  const caught = await failure(transcribe({ file: await toFile(Buffer.from("nothing"), "a.wav") }));
  assert.ok(caught instanceof OpenAI.BadRequestError, String(caught));
  assert.equal(caught.code, "audio_not_readable");
});

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "nothing failed" });
}

const respond = (model, input, more) =>
  client.responses.create({ model: `fake/${model}`, input, store: false, ...more });

test("a response, whole and as a stream", async () => {
  assert.equal((await respond("tiny", "Hi")).output_text, "Hello world");
  const events = await all(await respond("tiny", "Hi", { stream: true }));
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), "Hello world");
  assert.equal(events.at(-1).type, "response.completed");
});

test("calls of a response come back with their results", async () => {
  const said = words();
  const tools = [{ type: "function", name: "get_time", parameters: { type: "object" }, strict: false }];
  const { output } = await respond("clock", said, { tools });
  const results = output.map((item) => ({
    type: "function_call_output",
    call_id: item.call_id,
    output: `noon in ${JSON.parse(item.arguments).tz}. `,
  }));
  const answer = await respond("clock", [{ role: "user", content: said }, ...output, ...results], { tools });
  assert.equal(answer.output_text, "noon in UTC. noon in Europe/Madrid. ");
});

test("a previous response is refused", async () => {
  const caught = await failure(respond("tiny", "Hi", { previous_response_id: "resp_1" }));
  assert.ok(caught instanceof OpenAI.BadRequestError, String(caught));
  assert.equal(caught.code, "previous_response_not_found");
});

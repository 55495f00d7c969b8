// The official OpenAI client: every surface, plain and streamed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { HELLO, PATIENCE, THREE_KEYS, providers } from './harness.mjs';

const { mock, start } = providers();
const MODEL = 'gpt-4o-mini';
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

async function client() {
  const { url } = await start('several-keys.yml', THREE_KEYS);
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'team-token', timeout: PATIENCE });
}

test("s1: the client's own key goes to OpenRouter", async () => {
  const { url } = await start('openrouter-client-key.yml');
  const openrouter = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-or-v1-test', timeout: PATIENCE });
  const model = 'openrouter:anthropic/claude-3.5-sonnet';
  const answer = await openrouter.chat.completions.create({ model, messages: HELLO });
  assert.match(answer.choices[0].message.content, /^Hello from anthropic\/claude-3.5-sonnet at openrouter/);
  const sent = await mock.only();
  assert.equal(sent.headers.authorization, 'Bearer sk-or-v1-test');
  assert.equal(sent.path_and_query, '/openrouter/api/v1/chat/completions');
});

test('chat', async () => {
  const answer = await (await client()).chat.completions.create({ model: MODEL, messages: HELLO, seed: 7 });
  assert.equal(answer.choices[0].message.content, 'Hello from gpt-4o-mini at openai. How can I help you today?');
  assert.ok(answer.usage.total_tokens > 0);
  assert.deepEqual((await mock.only()).json, { model: MODEL, messages: HELLO, seed: 7 });
});

test('chat, streamed', async () => {
  await mock.script({ otherwise: { chunks: ['Guten ', 'Tag, ', 'Welt 🌍'] } });
  const openai = await client();
  const stream = await openai.chat.completions.create({
    model: MODEL, messages: HELLO, stream: true, stream_options: { include_usage: true },
  });
  const texts = [];
  let usage;
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) texts.push(chunk.choices[0].delta.content);
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual(texts, ['Guten ', 'Tag, ', 'Welt 🌍']);
  assert.ok(usage.total_tokens > 0);
});

test('chat, with the stream helper', async () => {
  const openai = await client();
  const final = await openai.chat.completions.stream({ model: MODEL, messages: HELLO }).finalContent();
  assert.match(final, /^Hello from gpt-4o-mini/);
});

test('a stream the client leaves is cancelled at the provider', async () => {
  await mock.script({ otherwise: { chunks: ['one ', 'two '], fault: { stall_mid_stream: 1 } } });
  const openai = await client();
  const stream = await openai.chat.completions.create({ model: MODEL, messages: HELLO, stream: true });
  const { aborted_streams: before } = await mock.call('GET', '/__counters');
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;
  }
  const until = Date.now() + PATIENCE;
  let now;
  do {
    ({ aborted_streams: now } = await mock.call('GET', '/__counters'));
  } while (now === before && Date.now() < until);
  assert.equal(now, before + 1);
});

test('tools, there and back', async () => {
  const openai = await client();
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }];
  const messages = [{ role: 'user', content: 'Use get_weather for Paris' }];
  const first = await openai.chat.completions.create({ model: MODEL, messages, tools });
  const [call] = first.choices[0].message.tool_calls;
  assert.equal(call.function.name, 'get_weather');
  assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });
  messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'Sunny' });
  const second = await openai.chat.completions.create({ model: MODEL, messages, tools });
  assert.equal(second.choices[0].finish_reason, 'stop');
  assert.equal((await mock.requests())[1].json.messages[2].tool_call_id, call.id);
});

test('tools, run by the client', async () => {
  const openai = await client();
  const asked = [];
  const tool = {
    type: 'function',
    function: {
      name: 'get_weather',
      parameters,
      parse: JSON.parse,
      function: ({ city }) => {
        asked.push(city);
        return 'Sunny';
      },
    },
  };
  const messages = [{ role: 'user', content: 'Use get_weather' }];
  const runner = openai.chat.completions.runTools({ model: MODEL, messages, tools: [tool], stream: true });
  assert.match(await runner.finalContent(), /^Hello from gpt-4o-mini/);
  assert.deepEqual(asked, ['Paris']);
});

test('responses', async () => {
  const answer = await (await client()).responses.create({ model: MODEL, input: 'Hello' });
  assert.equal(answer.output_text, 'Hello from gpt-4o-mini at openai. How can I help you today?');
  assert.equal((await mock.only()).path_and_query, '/openai/v1/responses');
});

test('responses, streamed', async () => {
  const openai = await client();
  const types = [];
  let text = '';
  for await (const event of await openai.responses.create({ model: MODEL, input: 'Hello', stream: true })) {
    types.push(event.type);
    if (event.type === 'response.output_text.delta') text += event.delta;
  }
  assert.equal(types[0], 'response.created');
  assert.equal(types.at(-1), 'response.completed');
  assert.match(text, /^Hello from gpt-4o-mini/);
});

test('responses, with the stream helper', async () => {
  const openai = await client();
  const final = await openai.responses.stream({ model: MODEL, input: 'Hello' }).finalResponse();
  assert.match(final.output_text, /^Hello from gpt-4o-mini/);
});

test('completions, plain and streamed', async () => {
  const openai = await client();
  const request = { model: 'openai:gpt-3.5-turbo-instruct', prompt: 'Once upon' };
  const plain = await openai.completions.create(request);
  let text = '';
  const stream = await openai.completions.create({ ...request, stream: true });
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
  assert.equal(text, plain.choices[0].text);
});

test('embeddings are the same numbers either way', async () => {
  const openai = await client();
  const request = { model: 'text-embedding-3-small', input: ['one', 'two'], dimensions: 8 };
  const usual = await openai.embeddings.create(request);
  const floats = await openai.embeddings.create({ ...request, encoding_format: 'float' });
  assert.equal((await mock.requests())[0].json.encoding_format, 'base64');
  assert.equal(usual.data.length, 2);
  usual.data[1].embedding.forEach((x, i) => assert.ok(Math.abs(x - floats.data[1].embedding[i]) < 1e-6));
});

test('models', async () => {
  const openai = await client();
  const names = [];
  for await (const model of openai.models.list()) names.push(model.id);
  assert.ok(names.includes(MODEL) && names.includes(`openai:${MODEL}`));
  assert.equal((await openai.models.retrieve(`openai:${MODEL}`)).id, `openai:${MODEL}`);
  assert.deepEqual(await mock.requests(), []);
});

test('headers say who answered', async () => {
  const openai = await client();
  const { data, response } = await openai.chat.completions.create({ model: MODEL, messages: HELLO }).withResponse();
  assert.equal(response.headers.get('x-tollgate-model'), 'openai:gpt-4o-mini');
  assert.equal(response.headers.get('x-tollgate-attempts'), '1');
  assert.ok(response.headers.get('x-tollgate-request-id'));
  assert.ok(data.choices.length);
});

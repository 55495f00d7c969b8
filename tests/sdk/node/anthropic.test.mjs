// The official Anthropic client.

import Anthropic from '@anthropic-ai/sdk';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HELLO, PAIR_SECRETS, PATIENCE, providers } from './harness.mjs';

const { mock, start } = providers();
const MODEL = 'claude-sonnet-5';
const question = { model: MODEL, max_tokens: 100, messages: HELLO };

async function client(policy = 'anthropic-client-key.yml', secrets = {}, options = { apiKey: 'sk-ant-test' }) {
  const { url } = await start(policy, secrets);
  return new Anthropic({ baseURL: url, timeout: PATIENCE, ...options });
}

test('messages', async () => {
  const answer = await (await client()).messages.create(question);
  assert.match(answer.content[0].text, /^Hello from claude-sonnet-5/);
  assert.equal(answer.stop_reason, 'end_turn');
  const sent = await mock.only();
  assert.equal(sent.path_and_query, '/anthropic/v1/messages');
  assert.equal(sent.key, 'sk-ant-test');
});

test('messages, streamed', async () => {
  const anthropic = await client();
  const types = [];
  for await (const event of await anthropic.messages.create({ ...question, stream: true })) types.push(event.type);
  assert.equal(types[0], 'message_start');
  assert.equal(types.at(-1), 'message_stop');
});

test('messages, with the stream helper', async () => {
  await mock.script({ otherwise: { chunks: ['Guten ', 'Tag 🌍'] } });
  const anthropic = await client();
  const texts = [];
  const final = await anthropic.messages.stream(question).on('text', (text) => texts.push(text)).finalMessage();
  assert.deepEqual(texts, ['Guten ', 'Tag 🌍']);
  assert.equal(final.content[0].text, 'Guten Tag 🌍');
});

test('tools, count_tokens, models', async () => {
  const anthropic = await client();
  const tools = [{ name: 'get_time', input_schema: { type: 'object', properties: {} } }];
  const messages = [{ role: 'user', content: 'Use get_time' }];
  const answer = await anthropic.messages.create({ ...question, tools, messages });
  assert.equal(answer.stop_reason, 'tool_use');
  assert.ok((await anthropic.messages.countTokens({ model: MODEL, messages: HELLO })).input_tokens > 0);
  const names = [];
  for await (const model of anthropic.models.list({ limit: 5 })) names.push(model.id);
  assert.ok(names.includes(MODEL));
});

test('an auth token stays a bearer token', async () => {
  await (await client(undefined, undefined, { apiKey: null, authToken: 'oauth-token' })).messages.create(question);
  assert.equal((await mock.only()).headers.authorization, 'Bearer oauth-token');
});

test('an unknown model', async () => {
  const anthropic = await client();
  await assert.rejects(anthropic.messages.create({ ...question, model: 'claude-0' }), (error) => {
    assert.ok(error instanceof Anthropic.UnprocessableEntityError);
    assert.ok(error.message.includes('ERR_NGROK_3804'), error.message);
    assert.equal(error.error.error.type, 'invalid_request_error');
    return true;
  });
});

for (const stream of [false, true]) {
  test(`failover to another provider with the same API (stream: ${stream})`, async () => {
    await mock.script({ rules: [{ path: '/anthropic/*', answers: [{ status: 529 }] }] });
    const anthropic = await client('anthropic-pair.yml', PAIR_SECRETS, { apiKey: 'unused' });
    const answer = stream
      ? await anthropic.messages.stream(question).finalMessage()
      : await anthropic.messages.create(question);
    assert.match(answer.content[0].text, /^Hello from claude-from-reserve/);
    assert.deepEqual((await mock.requests()).map((r) => r.key), ['sk-ant-test-pair', 'reserve-key']);
  });
}

test('all used up is a RateLimitError, and each provider was asked once', async () => {
  await mock.script({ otherwise: { status: 429 } });
  const anthropic = await client('anthropic-pair.yml', PAIR_SECRETS, { apiKey: 'unused' });
  await assert.rejects(anthropic.messages.create(question), Anthropic.RateLimitError);
  assert.equal((await mock.requests()).length, 2);
});

test('a stream cut after its first words', async () => {
  await mock.script({ otherwise: { chunks: ['one ', 'two ', 'three '], fault: { cut_after_chunks: 2 } } });
  const anthropic = await client();
  await assert.rejects(anthropic.messages.stream(question).finalMessage(), /ERR_NGROK_3800/);
});

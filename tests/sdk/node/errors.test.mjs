// Errors and failover as programs with the official OpenAI client see them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { FAILOVER_SECRETS, HELLO, PAIR_SECRETS, PATIENCE, THREE_KEYS, providers } from './harness.mjs';

const { mock, start } = providers();
const MODEL = 'gpt-4o-mini';
const BOTH = ['anthropic:claude-3.5-sonnet', 'openrouter:anthropic/claude-3.5-sonnet'];

async function client(policy = 'several-keys.yml', secrets = THREE_KEYS, apiKey = 'team-token') {
  const { url } = await start(policy, secrets);
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, timeout: PATIENCE });
}

async function failure(promise, kind, code) {
  const error = await promise.then(() => assert.fail('this should not have worked'), (error) => error);
  assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
  if (code) {
    assert.equal(error.code, code);
    assert.ok(error.message.includes(code), error.message);
  }
  return error;
}

const ask = (openai, more = {}) => openai.chat.completions.create({ model: MODEL, messages: HELLO, ...more });

async function textOf(answer, stream) {
  if (!stream) return answer.choices[0].message.content;
  let text = '';
  for await (const chunk of answer) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

test('an unknown model', async () => {
  const openai = await client();
  const refused = (call) => failure(call, OpenAI.UnprocessableEntityError, 'ERR_NGROK_3804');
  const error = await refused(ask(openai, { model: 'gpt-4a' }));
  assert.equal(error.type, 'model_not_found');
  assert.equal(error.param, 'model');
  await refused(ask(openai, { model: 'gpt-4a', stream: true }));
  await refused(openai.responses.create({ model: 'gpt-4a', input: 'x' }));
  await failure(openai.models.retrieve('gpt-4a'), OpenAI.NotFoundError, 'ERR_NGROK_3804');
  assert.deepEqual(await mock.requests(), []);
});

test('s3: a name without its provider', async () => {
  const openai = await client('openrouter-client-key.yml', {}, 'sk-or-v1-test');
  const call = ask(openai, { model: 'anthropic/claude-3.5-sonnet' });
  await failure(call, OpenAI.UnprocessableEntityError, 'ERR_NGROK_3804');
});

test('a model that is not a text, models that are no list', async () => {
  const openai = await client();
  await failure(ask(openai, { model: 5 }), OpenAI.BadRequestError, 'ERR_NGROK_3801');
  await failure(ask(openai, { models: 'gpt-4o' }), OpenAI.BadRequestError, 'ERR_NGROK_3801');
});

test('s7: a caller without the token', async () => {
  const openai = await client('several-keys.yml', THREE_KEYS, 'wrong');
  const error = await failure(ask(openai), OpenAI.AuthenticationError);
  assert.match(error.message, /Missing or wrong access token/);
  assert.deepEqual(await mock.requests(), []);
});

for (const stream of [false, true]) {
  test(`all keys used up is a RateLimitError, and each key was asked once (stream: ${stream})`, async () => {
    await mock.script({ otherwise: { status: 429, headers: { 'retry-after': '7' } } });
    const error = await failure(ask(await client(), { stream }), OpenAI.RateLimitError, 'ERR_NGROK_3807');
    assert.equal(error.headers.get('retry-after'), '7');
    assert.equal(error.headers.get('x-should-retry'), 'false');
    assert.deepEqual((await mock.requests()).map((r) => r.key), Object.values(THREE_KEYS.openai));
  });

  test(`all down is an InternalServerError, and nothing is tried again (stream: ${stream})`, async () => {
    await mock.script({ otherwise: { status: 503 } });
    const openai = await client('openai-pair.yml', PAIR_SECRETS);
    const error = await failure(ask(openai, { stream }), OpenAI.InternalServerError, 'ERR_NGROK_3807');
    assert.equal(error.status, 503);
    assert.equal((await mock.requests()).length, 2);
  });

  test(`s6: OpenRouter when Anthropic cannot, by a parameter the client does not know (stream: ${stream})`, async () => {
    await mock.script({ rules: [{ provider: 'anthropic', answers: [{ status: 529 }] }] });
    const openai = await client('openrouter-failover.yml', FAILOVER_SECRETS, 'unused');
    const { data, response } = await ask(openai, { model: BOTH[0], models: BOTH, stream }).withResponse();
    assert.match(await textOf(data, stream), /^Hello from anthropic\/claude-3.5-sonnet at openrouter/);
    assert.equal(response.headers.get('x-tollgate-attempts'), '2');
    assert.equal(response.headers.get('x-tollgate-model'), 'openrouter:anthropic/claude-3.5-sonnet');
    const [first, second] = await mock.requests();
    assert.deepEqual([first.key, second.key], ['sk-ant-test-stored-aaaa', 'sk-or-v1-test-stored-bbbb']);
    assert.ok(!('models' in first.json) && !('models' in second.json));
  });
}

test('failover of responses and embeddings', async () => {
  await mock.script({ rules: [{ path: '/openai/*', answers: [{ status: 500 }] }] });
  const openai = await client('openai-pair.yml', PAIR_SECRETS);
  const { output_text } = await openai.responses.create({ model: MODEL, input: 'x' });
  assert.match(output_text, /^Hello from model-from-reserve/);
  const { data } = await openai.embeddings.create({ model: 'text-embedding-3-small', input: 'x' });
  assert.equal(data[0].embedding.length, 1536);
});

test('a stream cut after its first words', async () => {
  await mock.script({ otherwise: { chunks: ['one ', 'two ', 'three '], fault: { cut_after_chunks: 2 } } });
  const openai = await client();
  let text = '';
  const reading = (async () => {
    for await (const chunk of await ask(openai, { stream: true })) text += chunk.choices[0]?.delta.content ?? '';
  })();
  await failure(reading, OpenAI.APIError, 'ERR_NGROK_3800');
  assert.equal(text, 'one two ');
});

test('a response cut after its first words', async () => {
  await mock.script({ otherwise: { chunks: ['one ', 'two ', 'three '], fault: { cut_after_chunks: 2 } } });
  const openai = await client();
  const reading = (async () => {
    const events = await openai.responses.create({ model: MODEL, input: 'x', stream: true });
    for await (const event of events) assert.ok(event.type);
  })();
  await failure(reading, OpenAI.APIError, 'ERR_NGROK_3800');
});

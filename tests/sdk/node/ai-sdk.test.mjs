// S8: the Vercel AI SDK, which calls /responses unless it is asked for chat.

import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAIR_SECRETS, THREE_KEYS, providers } from './harness.mjs';

const { mock, start } = providers();
const MODEL = 'gpt-4o-mini';
const SURFACES = [['responses', (openai) => openai(MODEL)], ['chat', (openai) => openai.chat(MODEL)]];
const PATHS = { responses: '/openai/v1/responses', chat: '/openai/v1/chat/completions' };

async function provider(policy = 'several-keys.yml', secrets = THREE_KEYS, apiKey = 'team-token') {
  const { url } = await start(policy, secrets);
  return createOpenAI({ baseURL: `${url}/v1`, apiKey });
}

for (const [surface, model] of SURFACES) {
  test(`s8: generateText over ${surface}`, async () => {
    const { text, usage } = await generateText({ model: model(await provider()), prompt: 'Hello' });
    assert.equal(text, 'Hello from gpt-4o-mini at openai. How can I help you today?');
    assert.ok(usage.totalTokens > 0);
    assert.equal((await mock.only()).path_and_query, PATHS[surface]);
  });

  test(`s8: streamText over ${surface}`, async () => {
    await mock.script({ otherwise: { chunks: ['Guten ', 'Tag, ', 'Welt 🌍'] } });
    const result = streamText({ model: model(await provider()), prompt: 'Hello' });
    const parts = [];
    for await (const part of result.textStream) parts.push(part);
    assert.equal(parts.join(''), 'Guten Tag, Welt 🌍');
    assert.equal(await result.finishReason, 'stop');
    assert.ok((await result.usage).totalTokens > 0);
  });

  test(`s8: tools over ${surface}`, async () => {
    const inputSchema = jsonSchema({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] });
    const asked = [];
    const weather = tool({ inputSchema, execute: async ({ city }) => { asked.push(city); return 'Sunny'; } });
    const { text, steps } = await generateText({
      model: model(await provider()), prompt: 'Use weather for Paris', tools: { weather }, stopWhen: stepCountIs(3),
    });
    assert.deepEqual(asked, ['Paris']);
    assert.equal(steps.length, 2);
    assert.match(text, /^Hello from gpt-4o-mini/);
  });

  test(`s8: failover over ${surface}`, async () => {
    await mock.script({ rules: [{ path: '/openai/*', answers: [{ status: 503 }] }] });
    const result = streamText({ model: model(await provider('openai-pair.yml', PAIR_SECRETS)), prompt: 'Hello' });
    assert.match(await result.text, /^Hello from model-from-reserve/);
    assert.equal((await mock.requests()).length, 2);
  });

  test(`s8: an error over ${surface} is one the SDK can read`, async () => {
    const openai = await provider();
    const unknown = surface === 'chat' ? openai.chat('gpt-4a') : openai('gpt-4a');
    await assert.rejects(generateText({ model: unknown, prompt: 'Hello' }), (error) => {
      assert.ok(APICallError.isInstance(error), String(error));
      assert.equal(error.statusCode, 422);
      assert.ok(error.message.includes('ERR_NGROK_3804'), error.message);
      assert.equal(error.data.error.code, 'ERR_NGROK_3804');
      assert.equal(error.isRetryable, false);
      return true;
    });
  });
}

test('s8: OpenRouter through the chat API', async () => {
  const openai = await provider('openrouter-client-key.yml', {}, 'sk-or-v1-test');
  const model = openai.chat('openrouter:google/gemini-2.0-flash-001');
  const { text } = await generateText({ model, prompt: 'Hello' });
  assert.match(text, /^Hello from google\/gemini-2.0-flash-001 at openrouter/);
  assert.equal((await mock.only()).key, 'sk-or-v1-test');
});

test('s8: embeddings', async () => {
  const openai = await provider();
  const { embeddings } = await embedMany({ model: openai.embedding('text-embedding-3-small'), values: ['one', 'two'] });
  assert.deepEqual(embeddings.map((e) => e.length), [1536, 1536]);
});

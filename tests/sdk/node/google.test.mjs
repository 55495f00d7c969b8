// Google's own client for Node against every provider.

import { ApiError, GoogleGenAI } from '@google/genai';
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { cells } from './cells.mjs';
import { EVERY_SECRET, providers } from './harness.mjs';

const { mock, start } = providers();
const { cell, save } = cells('google-genai', mock);
after(save);

const MODELS = {
  openai: 'openai:gpt-4o', anthropic: 'anthropic:claude-sonnet-4-5', google: 'google:gemini-2.5-flash',
  openrouter: 'openrouter:openai/gpt-4o',
};
const CLIENT = { name: '@google/genai', dialect: 'generate-content' };
const WEATHER = {
  name: 'get_weather', description: 'The weather of a city',
  parametersJsonSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

for (const [provider, model] of Object.entries(MODELS)) {
  const client = async (script = {}) => {
    await mock.script({ strict: true, ...script });
    const { url } = await start('every-dialect.yml', EVERY_SECRET);
    return new GoogleGenAI({ apiKey: 'unused', httpOptions: { baseUrl: `${url}/genai` } });
  };
  const each = (feature, mode, run) => cell({ client: CLIENT, provider, feature, mode }, run);

  each('text', 'plain', async () => {
    const answer = await (await client()).models.generateContent({ model, contents: '[[say Guten Tag 🌍]]' });
    assert.equal(answer.text, 'Guten Tag 🌍');
    assert.equal(answer.candidates[0].finishReason, 'STOP');
  });

  const WANTED = { city: 'New York City', degrees: 21 };
  const structured = {
    model, contents: `[[json ${JSON.stringify(WANTED)}]]`,
    config: {
      responseMimeType: 'application/json',
      responseJsonSchema: {
        type: 'object', properties: { city: { type: 'string' }, degrees: { type: 'integer' } }, required: ['city', 'degrees'],
      },
    },
  };

  each('structured output', 'plain', async () => {
    const answer = await (await client()).models.generateContent(structured);
    assert.deepEqual(JSON.parse(answer.text), WANTED);
  });

  each('structured output', 'stream', async () => {
    const texts = [];
    for await (const chunk of await (await client()).models.generateContentStream(structured)) texts.push(chunk.text ?? '');
    assert.deepEqual(JSON.parse(texts.join('')), WANTED);
    assert.ok(texts.filter(Boolean).length > 1, 'it was not put together on its way');
  });

  each('text', 'stream', async () => {
    const stream = await (await client()).models.generateContentStream({ model, contents: '[[say one two three]]' });
    const texts = [];
    for await (const chunk of stream) texts.push(chunk.text ?? '');
    assert.equal(texts.join(''), 'one two three');
    assert.ok(texts.filter(Boolean).length > 1);
  });

  each('tools', 'plain', async () => {
    const google = await client();
    const config = { tools: [{ functionDeclarations: [WEATHER] }] };
    const chat = google.chats.create({ model, config });
    const first = await chat.sendMessage({ message: '[[tool get_weather {"city":"Paris"}]]' });
    assert.deepEqual(first.functionCalls.map(({ name, args }) => [name, args]), [['get_weather', { city: 'Paris' }]]);
    const [{ id, name }] = first.functionCalls;
    const response = { functionResponse: { id, name, response: { result: 'Sunny and warm' } } };
    const second = await chat.sendMessage({ message: [response] });
    assert.match(second.text, /Sunny and warm/);
  });

  each('errors', 'plain', async () => {
    const google = await client();
    await assert.rejects(google.models.generateContent({ model, contents: '[[error 429 slow down]]' }), (error) => {
      assert.ok(error instanceof ApiError, String(error));
      assert.equal(error.status, 429);
      assert.ok(error.message.includes('slow down'), error.message);
      return true;
    });
  });
}

// The Vercel AI SDK's providers against every provider: cells of docs/compatibility.md.
//
// The mock is strict, and a prompt holds the order that makes it do something: see ../python/test_matrix.py.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenRouter } from '@openrouter/ai-sdk-provider';
import { APICallError, Output, generateText, jsonSchema, stepCountIs, streamObject, streamText, tool } from 'ai';
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { cells } from './cells.mjs';
import { EVERY_SECRET, providers } from './harness.mjs';

const { mock, start } = providers();
const { cell, save } = cells('ai-sdk', mock);
after(save);

// provider -> a model for most things, and one that reasons.
const MODELS = {
  openai: ['openai:gpt-4o', 'openai:gpt-5'],
  anthropic: ['anthropic:claude-sonnet-4-5', 'anthropic:claude-sonnet-4-5'],
  google: ['google:gemini-2.5-flash', 'google:gemini-2.5-flash'],
  openrouter: ['openrouter:openai/gpt-4o', 'openrouter:anthropic/claude-sonnet-4.5'],
};
const KEY = { apiKey: 'unused' };
const USAGE = { input: 20, output: 9, cached: 5, reasoning: 4 };
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
const SHOWING = ['responses', 'messages', 'generate-content', 'converse'];

// Each client of the AI SDK: its name, the dialect it speaks, how it asks for thoughts.
const CLIENTS = [
  {
    name: '@ai-sdk/openai', dialect: 'chat-completions', options: { openai: { reasoningEffort: 'low' } },
    model: (url, name) => createOpenAI({ baseURL: `${url}/openai/v1`, ...KEY }).chat(name),
    // It does not know the field in which thoughts are shown.
    blind: true,
  },
  {
    name: '@ai-sdk/openai', dialect: 'responses',
    options: { openai: { reasoningEffort: 'low', reasoningSummary: 'auto', forceReasoning: true, store: false } },
    model: (url, name) => createOpenAI({ baseURL: `${url}/openai/v1`, ...KEY }).responses(name),
  },
  {
    name: '@ai-sdk/anthropic', dialect: 'messages',
    options: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } },
    model: (url, name) => createAnthropic({ baseURL: `${url}/anthropic/v1`, ...KEY })(name),
  },
  {
    name: '@ai-sdk/google', dialect: 'generate-content',
    options: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } },
    // Without `models/` it takes a name with a slash for a whole path.
    model: (url, name) => createGoogleGenerativeAI({ baseURL: `${url}/genai/v1beta`, ...KEY })(`models/${name}`),
  },
  {
    name: '@openrouter/ai-sdk-provider', dialect: 'chat-completions',
    options: { openrouter: { reasoning: { effort: 'low' } } },
    model: (url, name) => createOpenRouter({ baseURL: `${url}/openrouter/api/v1`, ...KEY }).chat(name),
  },
];

const city = (description) => jsonSchema({
  type: 'object', properties: { place: { type: 'string' } }, required: ['place'], additionalProperties: false, description,
});

/** Tools that remember what they were asked. */
function tools(asked) {
  const answer = (name, text) => async ({ place }) => { asked.push([name, place]); return text; };
  return {
    get_weather: tool({ inputSchema: city('Where'), execute: answer('get_weather', 'Sunny and warm') }),
    get_time: tool({ inputSchema: city('Where'), execute: answer('get_time', '12:34') }),
  };
}

/** Asks as a plain or as a streaming client; both have the same properties afterwards. */
async function ask(mode, options) {
  const settings = { maxRetries: 0, ...options };
  if (mode === 'plain') return generateText(settings);
  const failures = [];
  const result = streamText({ ...settings, onError: ({ error }) => failures.push(error) });
  const pieces = [];
  for await (const piece of result.textStream) pieces.push(piece);
  if (failures.length) throw failures[0];
  const names = ['text', 'steps', 'finishReason', 'totalUsage', 'usage', 'reasoningText'];
  const values = await Promise.all(names.map((name) => result[name]));
  return { pieces, ...Object.fromEntries(names.map((name, at) => [name, values[at]])) };
}

for (const client of CLIENTS) {
  for (const provider of Object.keys(MODELS)) {
    const setUp = async (script = { otherwise: { usage: USAGE } }, reasons = false) => {
      await mock.script({ strict: true, ...script });
      const { url } = await start('every-dialect.yml', EVERY_SECRET);
      return client.model(url, MODELS[provider][reasons ? 1 : 0]);
    };
    const inEachMode = (feature, run) => {
      for (const mode of ['plain', 'stream']) cell({ client, provider, feature, mode }, () => run(mode));
    };

    inEachMode('text', async (mode) => {
      const result = await ask(mode, { model: await setUp(), prompt: '[[say Guten Tag, liebe Welt 🌍]]' });
      assert.equal(result.text, 'Guten Tag, liebe Welt 🌍');
      assert.equal(result.finishReason, 'stop');
      assert.equal((await mock.only()).provider, provider);
      if (mode === 'stream') assert.ok(result.pieces.length > 1, 'it was not put together on its way');
    });

    inEachMode('usage', async (mode) => {
      const { usage } = await ask(mode, { model: await setUp(), prompt: '[[say Hi]]' });
      assert.equal(usage.inputTokens, USAGE.input);
      assert.equal(usage.outputTokens, USAGE.output);
      assert.equal(usage.inputTokenDetails.cacheReadTokens, USAGE.cached);
    });

    inEachMode('tools', async (mode) => {
      const asked = [];
      const prompt = 'Look. [[tool get_weather {"place":"Paris"}]]';
      const result = await ask(mode, { model: await setUp(), prompt, tools: tools(asked), stopWhen: stepCountIs(3) });
      assert.deepEqual(asked, [['get_weather', 'Paris']]);
      assert.equal(result.steps.length, 2);
      assert.match(result.text, /^The tools said:.*Sunny and warm/);
    });

    inEachMode('parallel tools', async (mode) => {
      const asked = [];
      const prompt = 'Look. [[tools get_weather {"place":"Paris"}; get_time {"place":"Oslo"}]]';
      const result = await ask(mode, { model: await setUp(), prompt, tools: tools(asked), stopWhen: stepCountIs(3) });
      assert.deepEqual(asked, [['get_weather', 'Paris'], ['get_time', 'Oslo']]);
      assert.match(result.text, /Sunny and warm.*12:34/);
    });

    inEachMode('image', async (mode) => {
      const content = [{ type: 'text', text: '[[see]]' }, { type: 'image', image: PNG, mediaType: 'image/png' }];
      const { text } = await ask(mode, { model: await setUp(), messages: [{ role: 'user', content }] });
      assert.equal(text, `I see image/png of ${PNG.length} bytes`);
    });

    inEachMode('structured output', async (mode) => {
      const properties = { city: { type: 'string' }, degrees: { type: 'integer' } };
      const required = ['city', 'degrees'];
      const schema = jsonSchema({ type: 'object', properties, required, additionalProperties: false });
      const prompt = '[[json {"city":"New York City","degrees":21}]]';
      const model = await setUp();
      const wanted = { city: 'New York City', degrees: 21 };
      if (mode === 'plain') {
        const result = await ask('plain', { model, prompt, output: Output.object({ schema }) });
        assert.deepEqual(result.output, wanted);
        return;
      }
      const result = streamObject({ model, prompt, schema, maxRetries: 0 });
      const partial = [];
      for await (const object of result.partialObjectStream) partial.push(object);
      assert.deepEqual(await result.object, wanted);
      assert.deepEqual(partial.at(-1), wanted);
      // This client makes a tool of the schema for models it does not know, and Google sends arguments whole.
      if (client.dialect === 'messages' && provider === 'google') return;
      assert.ok(partial.length > 1, 'it was not put together on its way');
    });

    inEachMode('reasoning', async (mode) => {
      const model = await setUp(undefined, true);
      const prompt = '[[think Be polite]] [[say Hi]]';
      const result = await ask(mode, { model, prompt, providerOptions: client.options });
      assert.equal(result.text, 'Hi');
      const [call] = await mock.requests();
      const shown = SHOWING.includes(call.surface) || provider === 'openrouter';
      if (shown && !client.blind) assert.equal(result.reasoningText, 'Be polite');
    });

    inEachMode('reasoning and tools', async (mode) => {
      const asked = [];
      const model = await setUp(undefined, true);
      const prompt = '[[think Look first]] [[tool get_weather {"place":"Paris"}]]';
      const more = { tools: tools(asked), stopWhen: stepCountIs(3), providerOptions: client.options };
      const result = await ask(mode, { model, prompt, ...more });
      assert.deepEqual(asked, [['get_weather', 'Paris']]);
      assert.match(result.text, /Sunny and warm/);
      assert.equal((await mock.requests()).length, 2, 'the state of the first answer was accepted');
    });

    for (const status of [400, 429, 503]) {
      inEachMode('errors', async (mode) => {
        const model = await setUp();
        await assert.rejects(ask(mode, { model, prompt: `[[error ${status} this went wrong]]` }), (error) => {
          assert.ok(APICallError.isInstance(error), String(error));
          assert.equal(error.statusCode, status);
          assert.ok(error.message.includes('this went wrong'), error.message);
          return true;
        });
      });
    }

    cell({ client, provider, feature: 'error in a stream', mode: 'stream' }, async () => {
      const fault = { chunks: ['one ', 'two ', 'three '], fault: { error_after_chunks: 2 } };
      const model = await setUp({ otherwise: fault });
      const ended = ask('stream', { model, prompt: 'Hello' }).then(({ finishReason }) => finishReason, () => 'rejected');
      // OpenRouter says it in a finish reason beside the error, and some clients read only that.
      assert.notEqual(await ended, 'stop');
      assert.equal((await mock.requests()).length, 1, 'what has begun is not tried again');
    });
  }
}

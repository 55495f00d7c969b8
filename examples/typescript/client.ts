// The OpenAI SDK against a gateway: plain, streamed, with fallback models, with errors told apart.
import OpenAI from "openai";

const url = process.env.TOLLGATE_URL ?? "http://127.0.0.1:8080";
const [model = "", ...others] = (
  process.env.MODELS ?? "anthropic:claude-3.5-sonnet openrouter:anthropic/claude-3.5-sonnet"
).split(/\s+/);

// The gateway goes through every model and key before it gives up: repeating here only multiplies that.
const client = new OpenAI({
  baseURL: `${url}/v1`,
  apiKey: process.env.TOLLGATE_KEY ?? "unused",
  maxRetries: 0,
  timeout: 400_000, // milliseconds; longer than the gateway's own six minutes
});

/** What all calls have in common. `models` holds the names to try after `model`. */
function request(question: string): OpenAI.Chat.ChatCompletionCreateParamsNonStreaming {
  const params = { model, models: others, messages: [{ role: "user" as const, content: question }] };
  return params;
}

async function chat(question: string): Promise<void> {
  const { data, response } = await client.chat.completions.create(request(question)).withResponse();
  console.log(data.choices[0]?.message.content);
  const served = response.headers.get("x-tollgate-model");
  console.error(`[${served}, attempts: ${response.headers.get("x-tollgate-attempts")}]`);
}

async function stream(question: string): Promise<void> {
  const chunks = await client.chat.completions.create({
    ...request(question),
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of chunks) {
    // The last chunk carries the usage and no choice.
    process.stdout.write(chunk.choices[0]?.delta.content ?? "");
    if (chunk.usage) {
      console.error(`\n[${chunk.usage.prompt_tokens} tokens in, ${chunk.usage.completion_tokens} out]`);
    }
  }
  console.log();
}

async function models(): Promise<void> {
  for await (const entry of client.models.list()) console.log(entry.id);
}

/** One line for a person. `ngrok-error-code` tells the gateway's own errors from a provider's. */
function explain(error: InstanceType<typeof OpenAI.APIError>): string {
  if (error instanceof OpenAI.APIConnectionTimeoutError) return "no answer in time";
  if (error instanceof OpenAI.APIConnectionError) return `no gateway at ${url}`;
  if (error.status === undefined) return `the stream ended early: ${error.message}`;
  const code = error.headers?.get("ngrok-error-code") ?? "the provider";
  const hint = code === "ERR_NGROK_3804" ? " (name the provider too: openrouter:author/model)" : "";
  return `${error.status} from ${code}${hint}: ${error.message}`;
}

const [command, ...words] = process.argv.slice(2);
const question = words.join(" ") || "Say hello.";
try {
  if (command === "chat") await chat(question);
  else if (command === "stream") await stream(question);
  else if (command === "models") await models();
  else {
    console.error("usage: client.ts chat|stream|models [QUESTION]");
    process.exitCode = 2;
  }
} catch (error) {
  if (!(error instanceof OpenAI.APIError)) throw error;
  console.error(explain(error));
  process.exitCode = 1;
}

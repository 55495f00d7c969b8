"""The OpenAI SDK against a gateway: plain, streamed, with fallback models, with errors told apart."""

import os
import sys

import openai

URL = os.environ.get("TOLLGATE_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("TOLLGATE_KEY", "unused")
MODELS = os.environ.get(
    "MODELS", "anthropic:claude-3.5-sonnet openrouter:anthropic/claude-3.5-sonnet"
).split()

# The gateway goes through every model and key before it gives up: repeating here only multiplies that.
# The timeout is longer than the gateway's own (six minutes), which knows better what to do when it is over.
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=400)


def request(question: str) -> dict:
    """What all calls have in common. The SDK has no `models` parameter; `extra_body` adds it to the JSON."""
    return {
        "model": MODELS[0],
        "messages": [{"role": "user", "content": question}],
        "extra_body": {"models": MODELS[1:]},
    }


def chat(question: str) -> None:
    answer = client.chat.completions.with_raw_response.create(**request(question))
    print(answer.parse().choices[0].message.content)
    print(
        f"[{answer.headers.get('x-tollgate-model')}, attempts: {answer.headers.get('x-tollgate-attempts')}]",
        file=sys.stderr,
    )


def stream(question: str) -> None:
    chunks = client.chat.completions.create(
        **request(question), stream=True, stream_options={"include_usage": True}
    )
    usage = None
    for chunk in chunks:
        usage = chunk.usage or usage
        # The last chunk carries the usage and no choice.
        for choice in chunk.choices:
            print(choice.delta.content or "", end="", flush=True)
    print()
    if usage:
        print(f"[{usage.prompt_tokens} tokens in, {usage.completion_tokens} out]", file=sys.stderr)


def models() -> None:
    for model in client.models.list():
        print(model.id)


def explain(error: openai.APIError) -> str:
    """One line for a person. `ngrok-error-code` tells the gateway's own errors from a provider's."""
    if isinstance(error, openai.APITimeoutError):
        return "no answer in time"
    if isinstance(error, openai.APIConnectionError):
        return f"no gateway at {URL}"
    if isinstance(error, openai.APIStatusError):
        code = error.response.headers.get("ngrok-error-code")
        hints = {
            "ERR_NGROK_3804": "name the provider too, as in openrouter:anthropic/claude-3.5-sonnet",
            "ERR_NGROK_3802": "no key: set TOLLGATE_KEY, or store one in the policy",
            "ERR_NGROK_3807": "every provider failed",
        }
        source = code or "the provider"
        hint = f" ({hints[code]})" if code in hints else ""
        return f"{error.status_code} from {source}{hint}: {error.message}"
    # An error event inside a stream: the provider broke off after the first words.
    return f"the stream ended early: {error.message}"


def main() -> int:
    command, question = sys.argv[1:2], " ".join(sys.argv[2:]) or "Say hello."
    try:
        match command:
            case ["chat"]:
                chat(question)
            case ["stream"]:
                stream(question)
            case ["models"]:
                models()
            case _:
                print("usage: openai_client.py chat|stream|models [QUESTION]", file=sys.stderr)
                return 2
    except openai.APIError as error:
        print(explain(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

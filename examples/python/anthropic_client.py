"""The Anthropic SDK against a gateway: plain, streamed, with errors told apart."""

import os
import sys

import anthropic

URL = os.environ.get("TOLLGATE_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("TOLLGATE_KEY", "unused")
MODELS = os.environ.get(
    "MODELS", "anthropic:claude-3.5-sonnet openrouter:anthropic/claude-3.5-sonnet"
).split()

# `auth_token` is sent as `Authorization: Bearer`, which guards in policies look at; `api_key` would be `x-api-key`.
# The base URL has no `/v1`: this SDK adds it.
client = anthropic.Anthropic(base_url=URL, auth_token=KEY, max_retries=0, timeout=400)


def request(question: str) -> dict:
    return {
        "model": MODELS[0],
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": question}],
        "extra_body": {"models": MODELS[1:]},
    }


def chat(question: str) -> None:
    answer = client.messages.with_raw_response.create(**request(question))
    message = answer.parse()
    print("".join(block.text for block in message.content if block.type == "text"))
    print(
        f"[{answer.headers.get('x-tollgate-model')}, attempts: {answer.headers.get('x-tollgate-attempts')}]",
        file=sys.stderr,
    )


def stream(question: str) -> None:
    with client.messages.stream(**request(question)) as events:
        for text in events.text_stream:
            print(text, end="", flush=True)
        usage = events.get_final_message().usage
    print()
    print(f"[{usage.input_tokens} tokens in, {usage.output_tokens} out]", file=sys.stderr)


def main() -> int:
    command, question = sys.argv[1:2], " ".join(sys.argv[2:]) or "Say hello."
    try:
        match command:
            case ["chat"]:
                chat(question)
            case ["stream"]:
                stream(question)
            case _:
                print("usage: anthropic_client.py chat|stream [QUESTION]", file=sys.stderr)
                return 2
    except anthropic.APIStatusError as error:
        source = error.response.headers.get("ngrok-error-code") or "the provider"
        print(f"{error.status_code} from {source}: {error.message}", file=sys.stderr)
        return 1
    except anthropic.APIConnectionError as error:
        print(f"no answer from {URL}: {error}", file=sys.stderr)
        return 1
    except anthropic.APIError as error:
        print(f"the stream ended early: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

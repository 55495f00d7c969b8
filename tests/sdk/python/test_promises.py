"""The promises of the OpenRouter guide, one after the other, with the official client as people use it.

S8 (any client works) is all of the other files, and the files beside them for Node.
"""

import subprocess

import openai
import pytest
from conftest import FAILOVER_SECRETS
from harness import clean_environment, binary

HELLO = [{"role": "user", "content": "Hello"}]
CLIENT_KEY = "sk-or-v1-test-of-the-client"
BOTH = {"models": ["anthropic:claude-3.5-sonnet", "openrouter:anthropic/claude-3.5-sonnet"]}


def ask(client, model, **options):
    return client.chat.completions.create(model=model, messages=HELLO, **options)


def streamed_text(stream):
    return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)


def test_s1_the_clients_own_key_goes_to_openrouter(mock, openrouter):
    answer = ask(openrouter.openai(CLIENT_KEY), "openrouter:anthropic/claude-3.5-sonnet")
    text = "Hello from anthropic/claude-3.5-sonnet at openrouter. How can I help you today?"
    assert answer.choices[0].message.content == text
    assert answer.model == "anthropic/claude-3.5-sonnet"
    sent = mock.only()
    assert sent.path_and_query == "/openrouter/api/v1/chat/completions"
    assert sent.json["model"] == "anthropic/claude-3.5-sonnet"
    assert sent.headers["authorization"] == f"Bearer {CLIENT_KEY}"


def test_s1_streamed(mock, openrouter):
    mock.script(otherwise={"comments": 3})
    stream = ask(openrouter.openai(CLIENT_KEY), "openrouter:anthropic/claude-3.5-sonnet", stream=True)
    assert streamed_text(stream).startswith("Hello from anthropic/claude-3.5-sonnet at openrouter.")
    assert mock.only().key == CLIENT_KEY


def test_s1_what_the_provider_says_comes_back_unchanged(mock, openrouter):
    raw = openrouter.openai(CLIENT_KEY).chat.completions.with_raw_response.create(
        model="openrouter:anthropic/claude-3.5-sonnet", messages=HELLO
    )
    assert raw.headers["x-generation-id"].startswith("gen-")
    extra = raw.parse().model_extra
    assert extra["provider"] == "Anthropic"
    assert raw.parse().usage.model_extra["cost"] > 0


@pytest.mark.parametrize(
    "model",
    ["google/gemini-2.0-flash-001", "meta-llama/llama-3.1-8b-instruct", "mistralai/mistral-7b-instruct"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_s2_models_nobody_listed_pass_through(mock, openrouter, model, stream):
    answer = ask(openrouter.openai(CLIENT_KEY), f"openrouter:{model}", stream=stream)
    text = streamed_text(answer) if stream else answer.choices[0].message.content
    assert text.startswith(f"Hello from {model} at openrouter.")
    assert mock.only().json["model"] == model


def test_s3_a_name_without_its_provider_is_refused(mock, openrouter):
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        ask(openrouter.openai(CLIENT_KEY), "anthropic/claude-3.5-sonnet")
    assert caught.value.code == "ERR_NGROK_3804"
    assert "ERR_NGROK_3804" in str(caught.value)
    assert "openrouter:anthropic/claude-3.5-sonnet" in str(caught.value), "the message says what would be right"
    assert mock.requests() == []


def test_s3_a_listed_name_without_prefix_goes_to_its_own_provider(mock, start):
    gateway = start("every-provider.yml")
    ask(gateway.openai("sk-proj-test-of-the-client"), "gpt-4o-mini")
    assert mock.only().path_and_query == "/openai/v1/chat/completions"


STORED_SECRETS = {
    "gateway-auth": {"access-token": "team-token"},
    "openrouter": {"api-key": "sk-or-v1-test-stored-bbbb"},
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_s4_the_stored_key_replaces_what_the_client_sent(mock, start, stream):
    gateway = start("openrouter-stored-key.yml", STORED_SECRETS)
    answer = ask(gateway.openai("team-token"), "openrouter:google/gemini-2.0-flash-001", stream=stream)
    assert not stream or streamed_text(answer)
    sent = mock.only()
    assert sent.key == "sk-or-v1-test-stored-bbbb"
    assert "team-token" not in str(sent), "what the client showed to the gateway stays there"


def test_s4_a_client_that_sends_unused(mock, failover):
    ask(failover.openai("unused"), "openrouter:anthropic/claude-3.5-sonnet")
    assert mock.only().headers["authorization"] == "Bearer sk-or-v1-test-stored-bbbb"


def test_s5_a_secret_is_a_name_with_json(mock, start, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    env = clean_environment(home) | {"TOLLGATE_VAULT_KEY": "5d" * 32}
    command = [binary("TOLLGATE_BIN", "tollgate"), "secrets", "create", "--name", "openrouter"]
    command += ["--secret-data", '{"api-key": "sk-or-v1-test-from-the-vault"}']
    made = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=30)
    assert made.returncode == 0, made.stderr
    assert "sk-or-v1-test-from-the-vault" not in made.stdout + made.stderr
    gateway = start("openrouter-failover.yml", {"anthropic": FAILOVER_SECRETS["anthropic"]}, env=env)
    ask(gateway.openai(), "openrouter:anthropic/claude-3.5-sonnet")
    assert mock.only().key == "sk-or-v1-test-from-the-vault"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_s6_anthropic_first(mock, failover, stream):
    answer = ask(failover.openai(), "anthropic:claude-3.5-sonnet", extra_body=BOTH, stream=stream)
    text = streamed_text(answer) if stream else answer.choices[0].message.content
    assert "at anthropic." in text
    sent = mock.only()
    assert sent.key == "sk-ant-test-stored-aaaa"
    assert sent.json["model"] == "claude-3-5-sonnet-20241022", "Anthropic's own name for it"


DOWN = [
    ("overloaded", {"status": 529}),
    ("no quota", {"status": 429, "headers": {"retry-after": "20"}}),
    ("wrong key", {"status": 401}),
    ("unknown model", {"status": 404}),
    ("connection closed", {"fault": "close_before_head"}),
    ("connection reset", {"fault": "reset"}),
    ("no JSON", {"fault": "garbage"}),
    ("an error with status 200", {"fault": "error_first"}),
]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("behaviour", [d[1] for d in DOWN], ids=[d[0] for d in DOWN])
def test_s6_openrouter_when_anthropic_cannot(mock, failover, behaviour, stream):
    mock.script({"provider": "anthropic", "answers": [behaviour]})
    answer = ask(failover.openai(), "anthropic:claude-3.5-sonnet", extra_body=BOTH, stream=stream)
    text = streamed_text(answer) if stream else answer.choices[0].message.content
    assert text == "Hello from anthropic/claude-3.5-sonnet at openrouter. How can I help you today?"
    first, second = mock.requests()
    assert (first.key, second.key) == ("sk-ant-test-stored-aaaa", "sk-or-v1-test-stored-bbbb")
    assert second.json["model"] == "anthropic/claude-3.5-sonnet"
    assert "models" not in first.json and "models" not in second.json
    assert "sk-ant" not in str(second.headers)


def test_s7_a_stored_key_is_public_without_a_guard(mock, failover):
    ask(failover.openai("whoever-i-am"), "openrouter:anthropic/claude-3.5-sonnet")
    assert mock.only().key == "sk-or-v1-test-stored-bbbb"


def test_s7_a_guard_lets_only_callers_with_the_token_pass(mock, start):
    gateway = start("openrouter-stored-key.yml", STORED_SECRETS)
    for wrong in ["wrong-token", "team-token-and-more", "Team-token"]:
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(gateway.openai(wrong), "openrouter:a/b")
        assert "Missing or wrong access token" in str(caught.value)
        assert caught.value.type == "authentication_error"
    assert mock.requests() == []

"""Failover seen through the official OpenAI client, which knows nothing of it."""

import pytest

HELLO = [{"role": "user", "content": "Hello"}]
MODEL = "gpt-4o-mini"
OPENAI_IS_DOWN = {"path": "/openai/*", "answers": [{"status": 503}]}


def text_of(answer, stream):
    if not stream:
        return answer.choices[0].message.content
    return "".join(choice.delta.content or "" for chunk in answer for choice in chunk.choices)


both_ways = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@both_ways
def test_the_next_key(mock, openai_keys, stream):
    mock.script({"key": "*-first", "answers": [{"status": 429}]})
    client = openai_keys.openai("team-token")
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, stream=stream)
    assert raw.headers["x-tollgate-attempts"] == "2"
    assert text_of(raw.parse(), stream).startswith("Hello from gpt-4o-mini")
    assert [r.key for r in mock.requests()] == ["sk-proj-test-first", "sk-proj-test-second"]


@both_ways
def test_a_list_of_models_in_extra_body(mock, openai_keys, stream):
    mock.script({"model": "gpt-4o", "answers": [{"status": 500}]})
    client = openai_keys.openai("team-token")
    models = ["gpt-4o", "openai:a-model-nobody-listed"]
    answer = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=stream, extra_body={"models": models}
    )
    assert text_of(answer, stream).startswith("Hello from a-model-nobody-listed")
    tried = mock.requests()
    assert [r.model for r in tried] == ["gpt-4o"] * (len(tried) - 1) + ["a-model-nobody-listed"]
    assert all("models" not in r.json for r in tried)


@both_ways
def test_one_name_at_two_providers(mock, openai_pair, stream):
    mock.script(OPENAI_IS_DOWN)
    raw = openai_pair.openai().chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO, stream=stream
    )
    assert raw.headers["x-tollgate-model"] == "reserve:model-from-reserve"
    assert raw.headers["x-tollgate-attempts"] == "2"
    assert text_of(raw.parse(), stream).startswith("Hello from model-from-reserve")
    assert [r.key for r in mock.requests()] == ["sk-proj-test-pair", "reserve-key"]


def test_responses(mock, openai_pair):
    mock.script(OPENAI_IS_DOWN)
    answer = openai_pair.openai().responses.create(model=MODEL, input="Hello")
    assert answer.output_text.startswith("Hello from model-from-reserve")


def test_responses_streamed(mock, openai_pair):
    mock.script({"path": "/openai/*", "answers": [{"fault": "error_first"}]})
    events = list(openai_pair.openai().responses.create(model=MODEL, input="Hello", stream=True))
    assert events[-1].response.output_text.startswith("Hello from model-from-reserve")
    assert len({event.response.id for event in events if hasattr(event, "response")}) == 1, "one answer, not two"


def test_embeddings(mock, openai_pair):
    mock.script(OPENAI_IS_DOWN)
    answer = openai_pair.openai().embeddings.create(model="text-embedding-3-small", input="Hello")
    assert len(answer.data[0].embedding) == 1536
    assert len(mock.requests()) == 2


def test_tools(mock, openai_pair):
    mock.script(OPENAI_IS_DOWN)
    tool = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
    answer = openai_pair.openai().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Use get_time"}], tools=[tool]
    )
    assert answer.choices[0].message.tool_calls[0].function.name == "get_time"
    first, second = mock.requests()
    assert first.json | {"model": ""} == second.json | {"model": ""}, "both were asked the same"


def test_nothing_of_the_failed_attempt_is_seen(mock, openai_pair):
    mock.script({"path": "/openai/*", "answers": [{"fault": {"cut_after_chunks": 0}}]})
    chunks = list(openai_pair.openai().chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert {chunk.model for chunk in chunks} == {"model-from-reserve"}
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_house_first_then_the_cloud(mock, start):
    secrets = {"gateway-auth": {"access-token": "team-token"}, "openai": {"api-key": "sk-proj-test-cloud"}}
    gateway = start("self-hosted-first.yml", secrets)
    client = gateway.openai("team-token")
    ask = lambda: client.chat.completions.create(model="house-chat", messages=HELLO).model
    assert ask() == "meta-llama/Llama-3.1-8B-Instruct"
    mock.script(*({"path": path, "answers": [{"status": 503}]} for path in ("/vllm/*", "/ollama/*")))
    assert ask() == "gpt-4o-mini"
    house, house_too, cloud = mock.requests()
    assert (house.key, house_too.key, cloud.key) == (None, None, "sk-proj-test-cloud")

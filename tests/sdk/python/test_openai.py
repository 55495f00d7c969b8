"""The official OpenAI client: every surface, plain and streamed."""

import json

import openai
import pytest

HELLO = [{"role": "user", "content": "Hello"}]
MODEL = "gpt-4o-mini"
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
RESPONSES_TOOL = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": False}


@pytest.fixture
def client(openai_keys):
    return openai_keys.openai("team-token")


def test_chat(mock, client):
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0.5, seed=7)
    assert answer.choices[0].message.content == "Hello from gpt-4o-mini at openai. How can I help you today?"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    sent = mock.only()
    assert sent.path_and_query == "/openai/v1/chat/completions"
    assert sent.json == {"messages": HELLO, "model": MODEL, "temperature": 0.5, "seed": 7}


def test_chat_streamed(mock, client):
    mock.script(otherwise={"chunks": ["Guten ", "Tag, ", "schöne ", "Welt 🌍"]})
    stream = client.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    texts = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert texts == ["Guten ", "Tag, ", "schöne ", "Welt 🌍"]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0


def test_chat_streamed_without_asking_for_usage(client):
    chunks = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_chat_stream_helper(client):
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content.startswith("Hello from gpt-4o-mini")


def test_chat_tools_there_and_back(mock, client):
    messages = [{"role": "user", "content": "Use get_weather for Paris"}]
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=[CHAT_TOOL])
    assert first.choices[0].finish_reason == "tool_calls"
    (call,) = first.choices[0].message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris", "days": 1}
    messages += [
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "Sunny, 24 °C"},
    ]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[CHAT_TOOL])
    assert second.choices[0].finish_reason == "stop"
    sent = mock.requests()[1].json["messages"]
    assert sent[1]["tool_calls"][0]["id"] == call.id
    assert sent[2] == {"role": "tool", "tool_call_id": call.id, "content": "Sunny, 24 °C"}


def test_chat_tools_streamed(client):
    stream = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Use get_weather"}], tools=[CHAT_TOOL], stream=True
    )
    deltas = [c.choices[0].delta.tool_calls[0] for c in stream if c.choices and c.choices[0].delta.tool_calls]
    assert deltas[0].function.name == "get_weather" and deltas[0].id
    assert json.loads("".join(d.function.arguments or "" for d in deltas)) == {"city": "Paris", "days": 1}


def test_responses(mock, client):
    answer = client.responses.create(model=MODEL, input="Hello", instructions="Be brief", store=False)
    assert answer.status == "completed"
    assert answer.output_text == "Hello from gpt-4o-mini at openai. How can I help you today?"
    assert answer.usage.total_tokens > 0
    sent = mock.only()
    assert sent.path_and_query == "/openai/v1/responses"
    assert sent.json == {"input": "Hello", "instructions": "Be brief", "model": MODEL, "store": False}


def test_responses_streamed(client):
    events = list(client.responses.create(model=MODEL, input="Hello", stream=True))
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == events[-1].response.output_text
    assert [e.sequence_number for e in events] == list(range(len(events)))


def test_responses_stream_helper(client):
    with client.responses.stream(model=MODEL, input="Hello") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text.startswith("Hello from gpt-4o-mini")


def test_responses_tools_there_and_back(mock, client):
    question = [{"role": "user", "content": "Use get_weather for Paris"}]
    first = client.responses.create(model=MODEL, input=question, tools=[RESPONSES_TOOL])
    (call,) = first.output
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert json.loads(call.arguments) == {"city": "Paris", "days": 1}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"}
    asked = [*question, call.model_dump(exclude_none=True), result]
    second = client.responses.create(model=MODEL, input=asked, tools=[RESPONSES_TOOL])
    assert second.output_text
    assert mock.requests()[1].json["input"][2] == result


def test_completions(mock, client):
    answer = client.completions.create(model="openai:gpt-3.5-turbo-instruct", prompt="Once upon")
    assert answer.choices[0].text.startswith("Hello from gpt-3.5-turbo-instruct")
    sent = mock.only()
    assert sent.path_and_query == "/openai/v1/completions"
    assert sent.json == {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon"}


def test_completions_streamed(client):
    stream = client.completions.create(model="openai:gpt-3.5-turbo-instruct", prompt="Once upon", stream=True)
    text = "".join(choice.text for chunk in stream for choice in chunk.choices)
    assert text.startswith("Hello from gpt-3.5-turbo-instruct")


def test_embeddings_as_the_client_asks_for_them(mock, client):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [entry.index for entry in answer.data] == [0, 1]
    assert [len(entry.embedding) for entry in answer.data] == [1536, 1536]
    assert sum(x * x for x in answer.data[0].embedding) == pytest.approx(1, abs=1e-3)
    sent = mock.only()
    assert sent.path_and_query == "/openai/v1/embeddings"
    assert sent.json["encoding_format"] == "base64", "what the client does unless told otherwise"


def test_embeddings_are_the_same_numbers_either_way(client):
    make = lambda **more: client.embeddings.create(
        model="text-embedding-3-small", input="one", dimensions=8, **more
    )
    assert make().data[0].embedding == pytest.approx(make(encoding_format="float").data[0].embedding, abs=1e-6)


def test_embeddings_of_tokens(mock, client):
    tokens = [[15339, 1917], [9906]]
    assert len(client.embeddings.create(model="text-embedding-3-small", input=tokens).data) == 2
    assert mock.only().json["input"] == tokens


def test_models_are_listed_without_asking_a_provider(mock, client):
    listed = {model.id: model for model in client.models.list()}
    assert listed["gpt-4o-mini"].object == "model"
    assert listed["gpt-4o-mini"].owned_by == "openai"
    assert "openai:gpt-4o-mini" in listed
    assert not [name for name in listed if name.startswith("anthropic")], "a provider that is not allowed"
    assert mock.requests() == []


@pytest.mark.parametrize("name", ["gpt-4o-mini", "openai:gpt-4o-mini"])
def test_one_model(client, name):
    assert client.models.retrieve(name).id == name


def test_one_model_with_a_slash_in_its_name(openrouter):
    name = "openrouter:openai/gpt-5.5"
    assert openrouter.openai("sk-or-v1-test").models.retrieve(name).id == name


def test_headers_say_who_answered(client):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    assert raw.headers["x-tollgate-model"] == "openai:gpt-4o-mini"
    assert raw.headers["x-tollgate-attempts"] == "1"
    assert raw.headers["x-tollgate-request-id"]
    assert raw.headers["x-tollgate-policy"]
    assert "ngrok-error-code" not in raw.headers
    assert raw.headers["x-request-id"].startswith("req_"), "the provider's own headers stay"
    assert raw.parse().choices[0].message.content


def test_headers_of_a_stream(client):
    with client.chat.completions.with_streaming_response.create(model=MODEL, messages=HELLO, stream=True) as raw:
        assert raw.headers["content-type"].startswith("text/event-stream")
        assert raw.headers["x-tollgate-model"] == "openai:gpt-4o-mini"
        assert raw.headers["x-accel-buffering"] == "no"
        assert b"data: [DONE]" in raw.read()


def test_two_answers_have_two_request_ids(client):
    raw = [client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO) for _ in range(2)]
    assert raw[0].headers["x-tollgate-request-id"] != raw[1].headers["x-tollgate-request-id"]


def test_a_base_url_without_v1(mock, openai_keys):
    client = openai.OpenAI(base_url=openai_keys.url, api_key="team-token")
    assert client.chat.completions.create(model=MODEL, messages=HELLO).choices
    assert mock.only().path_and_query == "/openai/v1/chat/completions"

"""The official Anthropic client."""

import anthropic
import pytest

HELLO = [{"role": "user", "content": "Hello"}]
MODEL = "claude-sonnet-5"
KEY = "sk-ant-test-of-the-client"
TOOL = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def gateway(start):
    return start("anthropic-client-key.yml")


@pytest.fixture
def client(gateway):
    return gateway.anthropic(api_key=KEY)


def ask(client, **options):
    return client.messages.create(**{"model": MODEL, "max_tokens": 100, "messages": HELLO} | options)


def test_messages(mock, client):
    answer = ask(client, system="Be brief")
    assert answer.content[0].text.startswith("Hello from claude-sonnet-5")
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens > 0
    sent = mock.only()
    assert sent.path_and_query == "/anthropic/v1/messages"
    assert sent.headers["anthropic-version"] == client.default_headers["anthropic-version"]
    assert sent.key == KEY
    wanted = {"max_tokens": 100, "messages": HELLO, "model": sent.json["model"], "system": "Be brief"}
    assert sent.json == wanted


def test_messages_of_a_model_with_its_provider(mock, client):
    assert ask(client, model="anthropic:claude-3.5-sonnet").model == "claude-3-5-sonnet-20241022"


def test_messages_streamed(mock, client):
    mock.script(otherwise={"chunks": ["Guten ", "Tag 🌍"], "reasoning": "Let me think"})
    kinds = [event.type for event in ask(client, stream=True)]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 2
    assert "message_delta" in kinds


def test_messages_stream_helper(mock, client):
    mock.script(otherwise={"chunks": ["Guten ", "Tag ", "🌍"]})
    with client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
        assert list(stream.text_stream) == ["Guten ", "Tag ", "🌍"]
        final = stream.get_final_message()
    assert final.content[0].text == "Guten Tag 🌍"
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens > 0


def test_tools_there_and_back(mock, client):
    messages = [{"role": "user", "content": "Use get_weather for Paris"}]
    first = ask(client, messages=messages, tools=[TOOL])
    assert first.stop_reason == "tool_use"
    (use,) = [block for block in first.content if block.type == "tool_use"]
    assert (use.name, use.input) == ("get_weather", {"city": "Paris"})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "Sunny"}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert ask(client, messages=messages, tools=[TOOL]).stop_reason == "end_turn"
    assert mock.requests()[1].json["messages"][2]["content"] == [result]


def test_tools_streamed(client):
    question = [{"role": "user", "content": "Use get_weather for Paris"}]
    with client.messages.stream(model=MODEL, max_tokens=100, messages=question, tools=[TOOL]) as stream:
        final = stream.get_final_message()
    (use,) = [block for block in final.content if block.type == "tool_use"]
    assert use.input == {"city": "Paris"}


def test_count_tokens(mock, client):
    assert client.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens > 0
    assert mock.only().path_and_query == "/anthropic/v1/messages/count_tokens"


def test_beta_features_keep_their_query_and_header(mock, client):
    client.beta.messages.create(
        model=MODEL, max_tokens=10, messages=HELLO, betas=["context-1m-2025-08-07"], extra_query={"beta": "true"}
    )
    sent = mock.only()
    assert sent.path_and_query == "/anthropic/v1/messages?beta=true"
    assert sent.headers["anthropic-beta"] == "context-1m-2025-08-07"


def test_models_page_by_page(mock, client):
    page = client.models.list(limit=3)
    assert len(page.data) == 3 and page.has_more
    names = [model.id for model in client.models.list(limit=3)]
    assert len(names) > 6 and len(names) == len(set(names))
    assert MODEL in names and f"anthropic:{MODEL}" in names
    assert mock.requests() == []


def test_one_model(client):
    model = client.models.retrieve(MODEL)
    assert (model.id, model.type) == (MODEL, "model")


# How a client shows who it is.


def test_an_api_key_and_an_auth_token_reach_the_provider(mock, gateway):
    ask(gateway.anthropic(api_key=KEY))
    ask(gateway.anthropic(auth_token="oauth-token-of-the-client"))
    assert [r.key for r in mock.requests()] == [KEY, "oauth-token-of-the-client"]
    assert mock.requests()[1].headers["authorization"] == "Bearer oauth-token-of-the-client"


def test_a_key_in_x_api_key_stays_there(mock, gateway):
    """As clients before version 2 send it, and those for other languages."""
    headers = {"x-api-key": KEY, "authorization": anthropic.Omit()}
    ask(gateway.anthropic(auth_token="replaced", default_headers=headers))
    sent = mock.only().headers
    assert sent["x-api-key"] == KEY
    assert "authorization" not in sent


@pytest.mark.parametrize("style", ["api_key", "auth_token"])
def test_a_stored_key_replaces_what_the_client_sent(mock, anthropic_pair, style):
    ask(anthropic_pair.anthropic(**{style: "unused"}))
    sent = mock.only()
    assert sent.key == "sk-ant-test-pair"
    assert "unused" not in str(sent.headers)


def test_a_guard_reads_the_bearer_token(mock, start):
    secrets = {"gateway-auth": {"access-token": "team-token"}, "anthropic": {"api-key": "sk-ant-test-stored"}}
    gateway = start("tool-calling-only.yml", secrets | {"openai": {"api-key": "sk-proj-test"}})
    ask(gateway.anthropic(auth_token="team-token"))
    assert mock.only().key == "sk-ant-test-stored"
    with pytest.raises(anthropic.AuthenticationError) as caught:
        ask(gateway.anthropic(auth_token="wrong"))
    assert "Missing or wrong access token" in str(caught.value)


# Errors.


def fails(client, kind, code, **options):
    with pytest.raises(kind) as caught:
        ask(client, **options)
    if code:
        assert code in str(caught.value)
        assert caught.value.response.headers["ngrok-error-code"] == code
    return caught.value


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_an_unknown_model(mock, client, stream):
    error = fails(client, anthropic.UnprocessableEntityError, "ERR_NGROK_3804", model="claude-0", stream=stream)
    assert error.body["type"] == "error"
    assert error.body["error"]["type"] == "invalid_request_error"
    assert error.body["request_id"] == error.response.headers["x-tollgate-request-id"]
    assert mock.requests() == []


def test_an_unknown_model_is_not_retrieved(client):
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.models.retrieve("claude-0")
    assert "ERR_NGROK_3804" in str(caught.value)


def test_openrouter_in_its_own_skin(mock, openrouter):
    client = openrouter.anthropic(auth_token="sk-or-v1-test")
    answer = ask(client, model="openrouter:anthropic/claude-3.5-sonnet")
    assert answer.content[0].text.startswith("Hello from anthropic/claude-3.5-sonnet at openrouter.")
    assert (mock.only().path_and_query, mock.only().key) == ("/openrouter/api/v1/messages", "sk-or-v1-test")


def test_models_that_are_no_list(client):
    fails(client, anthropic.BadRequestError, "ERR_NGROK_3801", extra_body={"models": "claude"})


def test_the_only_attempts_error_is_the_providers_own(mock, client):
    mock.script(otherwise={"status": 400, "message": "max_tokens: too many"})
    error = fails(client, anthropic.BadRequestError, None)
    assert "max_tokens: too many" in str(error)
    assert error.body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_all_used_up_is_a_rate_limit_error_and_not_tried_again(mock, anthropic_pair, stream):
    mock.script(otherwise={"status": 429, "headers": {"retry-after": "7"}})
    error = fails(anthropic_pair.anthropic(api_key="unused"), anthropic.RateLimitError, "ERR_NGROK_3807", stream=stream)
    assert error.body["error"]["type"] == "rate_limit_error"
    assert error.response.headers["retry-after"] == "7"
    assert len(mock.requests()) == 2, "each provider once"


@pytest.mark.parametrize("status", [500, 529])
def test_all_down_is_not_tried_again(mock, anthropic_pair, status):
    mock.script(otherwise={"status": status})
    error = fails(anthropic_pair.anthropic(api_key="unused"), anthropic.InternalServerError, "ERR_NGROK_3807")
    assert error.status_code == status
    assert len(mock.requests()) == 2


def test_a_stream_cut_after_its_first_words(mock, client):
    mock.script(otherwise={"chunks": ["one ", "two ", "three "], "fault": {"cut_after_chunks": 2}})
    texts = []
    with pytest.raises(anthropic.APIStatusError) as caught:
        with client.messages.stream(model=MODEL, max_tokens=10, messages=HELLO) as stream:
            for text in stream.text_stream:
                texts.append(text)
    assert texts == ["one ", "two "]
    assert "ERR_NGROK_3800" in str(caught.value)
    assert len(mock.requests()) == 1


# Failover to another provider with the same API.

FAILURES = [
    {"status": 529},
    {"status": 429},
    {"status": 401},
    {"fault": "reset"},
    {"fault": "garbage"},
    {"fault": "error_first"},
    {"fault": {"cut_after_chunks": 0}},
]


@pytest.mark.parametrize("behaviour", FAILURES, ids=str)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_failover(mock, anthropic_pair, behaviour, stream):
    mock.script({"path": "/anthropic/*", "answers": [behaviour]})
    client = anthropic_pair.anthropic(api_key="unused")
    if stream:
        with client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
            answer = stream.get_final_message()
    else:
        answer = ask(client)
    assert answer.model == "claude-from-reserve"
    assert answer.content[0].text.startswith("Hello from claude-from-reserve")
    assert [r.key for r in mock.requests()] == ["sk-ant-test-pair", "reserve-key"]


def test_failover_by_a_list_of_models(mock, anthropic_pair):
    mock.script({"path": "/anthropic/*", "answers": [{"status": 503}]})
    models = ["anthropic:claude-haiku-4-5", "reserve:claude-from-reserve"]
    raw = anthropic_pair.anthropic(api_key="unused").messages.with_raw_response.create(
        model=models[0], max_tokens=10, messages=HELLO, extra_body={"models": models}
    )
    assert raw.headers["x-tollgate-model"] == "reserve:claude-from-reserve"
    assert raw.headers["x-tollgate-attempts"] == "2"
    assert all("models" not in r.json for r in mock.requests())


def test_failover_of_tools_and_of_count_tokens(mock, anthropic_pair):
    mock.script({"path": "/anthropic/*", "answers": [{"status": 503}]})
    client = anthropic_pair.anthropic(api_key="unused")
    answer = ask(client, messages=[{"role": "user", "content": "Use get_weather"}], tools=[TOOL])
    assert answer.stop_reason == "tool_use"
    assert client.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens > 0

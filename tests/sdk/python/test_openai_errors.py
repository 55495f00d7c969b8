"""Errors as programs with the official OpenAI client see them, and how often the client then tries again."""

import openai
import pytest

HELLO = [{"role": "user", "content": "Hello"}]
MODEL = "gpt-4o-mini"


@pytest.fixture
def client(openai_keys):
    return openai_keys.openai("team-token")


def fails(client, kind, code, model=MODEL, **options):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=model, messages=HELLO, **options)
    if code:
        assert caught.value.code == code
        assert code in str(caught.value)
        assert caught.value.response.headers["ngrok-error-code"] == code
    return caught.value


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_an_unknown_model(mock, client, stream):
    error = fails(client, openai.UnprocessableEntityError, "ERR_NGROK_3804", "gpt-4a", stream=stream)
    assert (error.type, error.param) == ("model_not_found", "model")
    assert "gpt-4a" in error.message
    assert error.body["request_id"] == error.response.headers["x-tollgate-request-id"]
    assert mock.requests() == []


def test_an_unknown_model_for_responses_and_embeddings(client):
    for call in (
        lambda: client.responses.create(model="gpt-4a", input="Hello"),
        lambda: client.embeddings.create(model="text-4a", input="Hello"),
        lambda: client.completions.create(model="gpt-4a", prompt="Hello"),
    ):
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            call()
        assert caught.value.code == "ERR_NGROK_3804"


def test_retrieving_an_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4a")
    assert caught.value.code == "ERR_NGROK_3804"
    assert "ERR_NGROK_3804" in str(caught.value)


def test_a_provider_that_is_not_allowed(client):
    error = fails(client, openai.UnprocessableEntityError, "ERR_NGROK_3804", "anthropic:claude-sonnet-4-5")
    assert error.type == "provider_not_allowed"


def test_a_model_that_is_not_a_text(client):
    fails(client, openai.BadRequestError, "ERR_NGROK_3801", 5)


@pytest.mark.parametrize("models", ["gpt-4o", [1]], ids=["text", "numbers"])
def test_models_that_are_no_list_of_names(client, models):
    fails(client, openai.BadRequestError, "ERR_NGROK_3801", extra_body={"models": models})


def test_a_path_that_is_not_served(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.moderations.create(input="Hello")
    assert caught.value.code == "ERR_NGROK_27204"


def test_a_caller_without_the_token(mock, openai_keys):
    error = fails(openai_keys.openai("wrong"), openai.AuthenticationError, None)
    assert error.type == "authentication_error"
    assert mock.requests() == []


def test_the_only_attempts_error_is_the_providers_own(mock, openrouter):
    mock.script(otherwise={"status": 400, "message": "temperature: must be below 2"})
    error = fails(openrouter.openai("sk-or-v1-test"), openai.BadRequestError, None, "openrouter:a/b")
    assert "temperature: must be below 2" in str(error)
    assert "ngrok-error-code" not in error.response.headers
    assert error.response.headers["x-tollgate-attempts"] == "1"


def test_all_keys_used_up_is_a_rate_limit_error(mock, client):
    mock.script(otherwise={"status": 429, "headers": {"retry-after": "7"}})
    error = fails(client, openai.RateLimitError, "ERR_NGROK_3807")
    assert error.response.headers["retry-after"] == "7"
    assert error.response.headers["x-should-retry"] == "false"
    assert len(error.body["attempts"]) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_the_client_does_not_try_again_what_was_tried_everywhere(mock, client, status, stream):
    """The client would send everything three times after 429 and 5xx, unless it is told not to."""
    mock.script(otherwise={"status": status})
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO, stream=stream)
    assert caught.value.status_code == status
    assert caught.value.code == "ERR_NGROK_3807"
    keys = [request.key for request in mock.requests()]
    assert keys == ["sk-proj-test-first", "sk-proj-test-second", "sk-proj-test-third"], "each key once"


def test_the_client_would_try_three_times_if_nobody_told_it(mock):
    """What the tests above count is worth counting: this is the same client without the gateway."""
    mock.script(otherwise={"status": 503, "headers": {"retry-after-ms": "1"}})
    with openai.OpenAI(base_url=f"{mock.url}/openai/v1", api_key="sk-proj-test") as direct:
        fails(direct, openai.InternalServerError, None)
    assert len(mock.requests()) == 3


def test_the_only_providers_own_wish_about_trying_again_stands(mock, openrouter):
    client = openrouter.openai("sk-or-v1-test")
    for headers, times in [({"retry-after-ms": "1"}, 3), ({"x-should-retry": "false"}, 1)]:
        mock.script(otherwise={"status": 503, "headers": headers})
        fails(client, openai.InternalServerError, None, "openrouter:a/b")
        assert len(mock.requests()) == times


def test_different_failures_are_one_503(mock, openai_pair):
    mock.script(
        {"path": "/openai/*", "answers": [{"status": 401}]},
        {"path": "/reserve/*", "answers": [{"status": 500}]},
    )
    error = fails(openai_pair.openai(), openai.InternalServerError, "ERR_NGROK_3807")
    assert error.status_code == 503
    assert "[401] openai/gpt-4o-mini" in str(error) and "[500] reserve/model-from-reserve" in str(error)
    assert len(mock.requests()) == 2, "and no third or sixth time"


def test_no_key_is_ever_shown(mock, client):
    mock.script(otherwise={"status": 401, "message": "Incorrect API key provided: sk-proj-test-first"})
    error = fails(client, openai.AuthenticationError, "ERR_NGROK_3807")
    assert "sk-proj-test-first" not in str(error)


def test_a_stream_cut_after_its_first_words(mock, client):
    mock.script(otherwise={"chunks": ["one ", "two ", "three "], "fault": {"cut_after_chunks": 2}})
    texts = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(model=MODEL, messages=HELLO, stream=True):
            texts += [c.delta.content for c in chunk.choices if c.delta.content]
    assert texts == ["one ", "two "]
    assert caught.value.code == "ERR_NGROK_3800"
    assert "ERR_NGROK_3800" in str(caught.value)
    assert len(mock.requests()) == 1, "what the client has begun to read is not begun again"


def test_a_response_cut_after_its_first_words(mock, client):
    mock.script(otherwise={"chunks": ["one ", "two ", "three "], "fault": {"cut_after_chunks": 2}})
    texts = []
    with pytest.raises(openai.APIError) as caught:
        for event in client.responses.create(model=MODEL, input="Hello", stream=True):
            texts += [event.delta] if event.type == "response.output_text.delta" else []
    assert texts == ["one ", "two "]
    assert "ERR_NGROK_3800" in str(caught.value)


def test_an_error_the_provider_sends_after_its_first_words(mock, client):
    mock.script(otherwise={"chunks": ["one ", "two "], "fault": {"error_after_chunks": 1}, "message": "out of breath"})
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert "out of breath" in str(caught.value)

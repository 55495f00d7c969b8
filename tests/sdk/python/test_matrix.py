"""Every client against every provider: the cells of docs/compatibility.md.

A prompt holds the order that makes the mock do something, the same for every provider. The mock is strict: it refuses
what the provider would refuse, so that a bad translation fails here.
"""

import json

import pytest
from dialects import PNG, Weather
from harness import ROOT
from langchains import EVERY_CLIENT

CLAUDE_AT_BEDROCK = "bedrock:global.anthropic.claude-sonnet-4-5-20250929-v1:0"
# provider -> a model for most things, and one that reasons.
MODELS = {
    "openai": ("openai:gpt-4o", "openai:gpt-5"),
    "anthropic": ("anthropic:claude-sonnet-4-5", "anthropic:claude-sonnet-4-5"),
    "google": ("google:gemini-2.5-flash", "google:gemini-2.5-flash"),
    "openrouter": ("openrouter:openai/gpt-4o", "openrouter:anthropic/claude-sonnet-4.5"),
    "azure": ("azure:gpt-4o", "azure:gpt-5"),
    "bedrock": (CLAUDE_AT_BEDROCK, CLAUDE_AT_BEDROCK),
    "vertex": ("vertex:gemini-2.5-flash", "vertex:gemini-2.5-flash"),
}
# Providers that LangChain's clients are not sent to: the official clients are enough there.
CLOUDS = ("azure", "bedrock", "vertex")
USAGE = {"input": 20, "output": 9, "cached": 5, "reasoning": 4}

# Operations of a provider that show what a model thinks.
SHOWING = ("responses", "messages", "generate-content", "converse")
WEATHER = 'Look it up. [[tool get_weather {"city":"Paris"}]]'
BOTH = 'Look both up. [[tools get_weather {"city":"Paris"}; get_time {"zone":"CET"}]]'
RESULTS = {"get_weather": "Sunny and warm", "get_time": "12:34"}

every_pair = pytest.mark.parametrize("provider", MODELS)
both_modes = pytest.mark.parametrize("mode", ["plain", "stream"])


def cell(feature):
    """Marks a test as a cell of the matrix; conftest.py writes down how it ended."""
    return pytest.mark.cell(feature)


def secrets(mock):
    """A key for every provider; those of AWS and Google are the ones the mock knows."""
    account = json.loads((ROOT / "crates/mock/testdata/google-service-account.json").read_text())
    account["token_uri"] = f"{mock.url}/token"
    own = {"bedrock": "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "vertex": json.dumps(account)}
    return {name: {"api-key": own.get(name, f"test-key-of-{name}")} for name in MODELS}


@pytest.fixture(params=EVERY_CLIENT, ids=lambda kind: f"{kind.name}-{kind.dialect}")
def client(request, mock, start):
    """A client in front of a gateway with every provider, whose mock is strict."""
    if "langchain" in request.param.name and request.node.callspec.params["provider"] in CLOUDS:
        pytest.skip("the official clients are enough there")
    mock.script(strict=True, otherwise={"usage": USAGE})
    return request.param(start("every-dialect.yml", secrets(mock)).url)


def asked(client, provider, mode, prompt, reasoning_model=False, **wishes):
    return client.ask(MODELS[provider][reasoning_model], prompt, stream=mode == "stream", **wishes)


def usage_fits(reply, mock):
    got = reply.usage
    assert (got["input"], got["output"]) == (USAGE["input"], USAGE["output"])
    assert (got["cached"] or 0) == USAGE["cached"]
    # Anthropic's API does not say how much was thought.
    if got["thoughts"] is not None and mock.requests()[-1].surface not in ("messages", "converse"):
        assert got["thoughts"] == USAGE["reasoning"]


@cell("text")
@every_pair
@both_modes
def test_text(mock, client, provider, mode):
    reply = asked(client, provider, mode, "[[say Guten Tag, liebe Welt 🌍]]")
    assert reply.text == "Guten Tag, liebe Welt 🌍"
    assert reply.reason == "stop"
    assert mock.only().provider == provider
    if mode == "stream":
        assert reply.pieces > 1, "it was not put together on its way"


@cell("usage")
@every_pair
@both_modes
def test_usage(mock, client, provider, mode):
    usage_fits(asked(client, provider, mode, "[[say Hi]]"), mock)


@cell("tools")
@every_pair
@both_modes
def test_tools(client, provider, mode):
    reply = asked(client, provider, mode, WEATHER, tools=["get_weather", "get_time"])
    assert (reply.calls, reply.reason) == ([("get_weather", {"city": "Paris"})], "tools")
    final = reply.follow(RESULTS)
    assert final.text.startswith("The tools said:") and "Sunny and warm" in final.text
    assert (final.calls, final.reason) == ([], "stop")


@cell("parallel tools")
@every_pair
@both_modes
def test_parallel_tools(client, provider, mode):
    reply = asked(client, provider, mode, BOTH, tools=["get_weather", "get_time"])
    assert reply.calls == [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "CET"})]
    final = reply.follow(RESULTS)
    assert final.text.index("Sunny and warm") < final.text.index("12:34")


@cell("image")
@every_pair
@both_modes
def test_image(client, provider, mode):
    reply = asked(client, provider, mode, "[[see]]", image=PNG)
    assert reply.text == f"I see image/png of {len(PNG)} bytes"


@cell("structured output")
@every_pair
@both_modes
def test_structured_output(mock, client, provider, mode):
    reply = asked(client, provider, mode, '[[json {"city":"New York City","degrees":21}]]', schema=Weather)
    assert reply.parsed == Weather(city="New York City", degrees=21)
    assert mock.only().stream == (mode == "stream")
    # LangChain streams, and hands over the whole.
    if mode == "stream" and "langchain" not in client.name:
        assert reply.pieces > 1, "it was not put together on its way"


def shows(mock, provider):
    """Whether the provider, asked the way it was, lets thoughts be seen."""
    return mock.requests()[0].surface in SHOWING or provider == "openrouter"


@cell("reasoning")
@every_pair
@both_modes
def test_reasoning(mock, client, provider, mode):
    reply = asked(client, provider, mode, "[[think Be polite]] [[say Hi]]", reasoning_model=True, think=True)
    assert reply.text == "Hi"
    # LangChain's client of OpenAI leaves out what OpenAI itself does not have.
    if shows(mock, provider) and client.name != "langchain-openai":
        assert reply.thoughts == "Be polite"
    usage_fits(reply, mock)


@cell("reasoning and tools")
@every_pair
@both_modes
def test_reasoning_and_tools(mock, client, provider, mode):
    prompt = f"[[think Look first]] {WEATHER}"
    reply = asked(client, provider, mode, prompt, reasoning_model=True, think=True, tools=["get_weather"])
    assert reply.calls == [("get_weather", {"city": "Paris"})]
    final = reply.follow(RESULTS)
    assert "Sunny and warm" in final.text
    assert len(mock.requests()) == 2, "the state of the first answer was accepted"


@cell("refusal")
@every_pair
@both_modes
def test_refusal(client, provider, mode):
    if client.name.startswith("langchain"):
        pytest.skip("LangChain has no word for it")
    reply = asked(client, provider, mode, "[[refuse I would rather not.]]")
    assert reply.reason == "refusal"


@cell("length")
@every_pair
@both_modes
def test_length(client, provider, mode):
    if client.name.startswith("langchain"):
        pytest.skip("LangChain has a word of each provider for it")
    assert asked(client, provider, mode, "[[say Too long]] [[cut]]").reason == "length"


@cell("errors")
@every_pair
@both_modes
@pytest.mark.parametrize("status", [400, 429, 503])
def test_errors(client, provider, mode, status):
    with pytest.raises(client.failures[status]) as caught:
        asked(client, provider, mode, f"[[error {status} this went wrong]]")
    code = getattr(caught.value, "status_code", None) or getattr(caught.value, "code", None)
    assert code in (None, status)
    assert "this went wrong" in str(caught.value)


@cell("error in a stream")
@every_pair
def test_error_in_a_stream(mock, client, provider):
    fault = {"chunks": ["one ", "two ", "three "], "fault": {"error_after_chunks": 2}}
    mock.script(strict=True, otherwise=fault)
    with pytest.raises(client.broken):
        asked(client, provider, "stream", "Hello")
    assert len(mock.requests()) == 1, "what has begun is not tried again"


# What the gateway says in headers. LangChain does not show them.

native = pytest.mark.parametrize("client", [c for c in EVERY_CLIENT if "langchain" not in c.name], indirect=True,
                                 ids=lambda kind: f"{kind.name}-{kind.dialect}")


@cell("headers")
@native
@every_pair
def test_headers(client, provider):
    headers = {name.lower(): value for name, value in asked(client, provider, "plain", "[[say Hi]]").headers.items()}
    assert headers["x-tollgate-model"] == MODELS[provider][0]
    assert float(headers["x-tollgate-cost-usd"]) > 0
    assert "x-tollgate-dropped" not in headers


# A field of each dialect that some providers have no place for: the client's name for it, and who takes it.
FIELDS = {
    # Anthropic and Google imitate this API without it: the request is translated to their own, which has no such field.
    "chat-completions": ("logit_bias", {"logit_bias": {"1": 1}}, {"openai", "openrouter", "azure"}),
    "responses": ("truncation", {"truncation": "auto"}, {"openai", "openrouter", "azure"}),
    "messages": ("top_k", {"top_k": 5}, {"anthropic", "openrouter", "google", "vertex", "bedrock"}),
    "generate-content": ("safetySettings", {"safety_settings": [
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]}, {"google", "vertex"}),
}


@cell("dropped fields")
@native
@every_pair
def test_dropped(mock, client, provider):
    name, extra, takers = FIELDS[client.dialect]
    dropped = asked(client, provider, "plain", "[[say Hi]]", extra=extra).headers.get("x-tollgate-dropped", "")
    named = [part.strip() for part in dropped.split(",") if part.strip()]
    if provider in takers:
        assert named == []
    else:
        assert any(part.split("[")[0].split(".")[-1] == name for part in named), named
        assert name not in mock.only().json

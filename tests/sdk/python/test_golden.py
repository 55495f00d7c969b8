"""The golden files of the translation (crates/dialect/tests/golden) in the eyes of those who wrote the APIs.

What the gateway makes of a request is read by the types of the provider's official SDK, and what it makes of an answer by
those of the client's. Both say what is missing and what is of the wrong type; what they do not know must be a field of
`KNOWN`. The published examples are read in the same way, so that a slip of the pen there is found too.
"""

import base64
import functools
import json
from collections.abc import Iterable
from typing import Any

import anthropic.types as claude
import botocore.session
import openai.types.chat as chat
import openai.types.responses as responses
import pytest
from botocore.validate import ParamValidator
from google.genai import types as google
from harness import ROOT
from openai.types.chat.completion_create_params import CompletionCreateParams
from openai.types.responses.response_create_params import ResponseCreateParams
from openai.types.shared import ErrorObject
from pydantic import BaseModel, ConfigDict, TypeAdapter

GOLDEN = ROOT / "crates/dialect/tests/golden"
# Fields the SDKs have no word for, by where they stand. Everything else that is unknown is our invention.
KNOWN = {
    "message.reasoning_content", "delta.reasoning_content",  # DeepSeek, and most servers people run
    "message.reasoning_details", "delta.reasoning_details",  # OpenRouter
    "message.reasoning", "delta.reasoning",
    "ChatCompletion.provider", "ChatCompletionChunk.provider",
    "ChatCompletionChunk.obfuscation",  # OpenAI's padding, not in its SDK's type
    "error.request_id",  # ours
    "ResponseErrorEvent.error",  # what the SDK itself looks for
    "Response.store",  # in all of OpenAI's examples
    "ResponseFunctionCallArgumentsDoneEvent.name",  # in OpenAI's OpenAPI document
}
# Parameters older models take and the SDK has dropped.
OLDER = {"temperature", "top_k", "top_p"}


class Rest(BaseModel):
    """The body of a `generateContent` request: the SDK has types for its members only."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, alias_generator=lambda name: "".join(
        word.capitalize() if at else word for at, word in enumerate(name.split("_"))))
    contents: list[google.Content]
    system_instruction: google.Content | None = None
    tools: list[google.Tool] | None = None
    tool_config: google.ToolConfig | None = None
    generation_config: google.GenerationConfig | None = None


class RestError(BaseModel):
    """AIP-193."""

    model_config = ConfigDict(extra="forbid", strict=True)
    code: int
    message: str
    status: str
    details: list[dict[str, Any]] | None = None


adapter = functools.cache(TypeAdapter)


def plain(value):
    """Lists for what pydantic reads one by one; bare values for its models."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [plain(item) for item in value]
    return value


def unknown(value, at):
    """Where a model has members its class does not know."""
    if isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            if f"{at}.{name}" not in KNOWN and f"{type(value).__name__}.{name}" not in KNOWN:
                yield f"{at}.{name} ({type(value).__name__})"
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name), name)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from unknown(item, at)


def read(kind, body, at="body", strict=True):
    """Reads a body as a type of an SDK: nothing is made fit, not even a number that is a text."""
    model = adapter(kind).validate_json(json.dumps(body), strict=strict)
    assert list(unknown(model, at)) == []
    return model


def read_params(kind, body):
    """Reads a body as the parameters of a method: what the `TypedDict`s do not know is not in what comes out."""
    assert plain(adapter(kind).validate_python(body)) == body


def read_google(kind, body):
    """Its classes forbid what they do not know; what has become of a body is compared, as they are made to coerce."""
    model = read(kind, body, strict=False)
    # Bytes are written in the other alphabet of base64.
    written, given = (text.translate(str.maketrans("-_", "+/"))
                      for text in (model.model_dump_json(by_alias=True, exclude_unset=True), json.dumps(body)))
    assert json.loads(written) == json.loads(given)


@functools.cache
def bedrocks():
    """Bedrock's own service model."""
    return botocore.session.get_session().get_service_model("bedrock-runtime")


def bedrock(body, shape):
    """Reads a body as a shape of it."""
    report = ParamValidator().validate(body, bedrocks().shape_for(shape))
    assert not report.has_errors(), report.generate_report()


def converse_request(body):
    for message in body["messages"]:
        for block in message["content"]:
            if "image" in block:
                block["image"]["source"]["bytes"] = base64.b64decode(block["image"]["source"]["bytes"], validate=True)
    bedrock({**body, "modelId": "any"}, "ConverseRequest")


REQUESTS = {
    "chat": lambda body: read_params(CompletionCreateParams, body),
    "responses": lambda body: read_params(ResponseCreateParams, body),
    "messages": lambda body: read_params(claude.MessageCreateParams, {k: v for k, v in body.items() if k not in OLDER}),
    "gemini": lambda body: read_google(Rest, body),
    "converse": converse_request,
}
ANSWERS = {
    "chat": lambda body: read(chat.ChatCompletion, body),
    "responses": lambda body: read(responses.Response, body),
    "messages": lambda body: read(claude.Message, body),
    "gemini": lambda body: read_google(google.GenerateContentResponse, body),
    "converse": lambda body: bedrock(body, "ConverseResponse"),
}
ERRORS = {
    "chat": lambda body: read(ErrorObject, body["error"], "error"),
    "responses": lambda body: read(ErrorObject, body["error"], "error"),
    "messages": lambda body: read(claude.ErrorResponse, body),
    "gemini": lambda body: read(RestError, body["error"]),
    "converse": lambda body: bedrock(body, "ThrottlingException"),
}
EVENTS = {
    "chat": lambda event: read(chat.ChatCompletionChunk, event),
    "responses": lambda event: read(responses.ResponseStreamEvent, event),
    "messages": lambda event: read(claude.RawMessageStreamEvent, event),
    "gemini": lambda event: read_google(google.GenerateContentResponse, event),
}


def stream(dialect, text):
    """Reads every event of a stream."""
    events = text.split("\n\n")
    assert events.pop() == ""
    for event in events:
        if event.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in event.splitlines())
        if fields["data"] == "[DONE]":
            assert dialect == "chat" and event == events[-1]
            continue
        data = json.loads(fields["data"])
        assert fields.get("event") == (data["type"] if dialect in ("responses", "messages") else None)
        if fields.get("event") == "ping":
            continue
        if "error" in data and dialect != "responses":
            assert event == events[-1]
            ERRORS[dialect](data)
        else:
            EVENTS[dialect](data)


def converse_stream(text):
    for line in text.splitlines():
        bedrock(json.loads(line), "ConverseStreamOutput")


def file_of(path):
    return json.loads(path.read_text())


def under(folder, name):
    found = sorted(GOLDEN.glob(f"{folder}/*/*/{name}"))
    assert found
    return pytest.mark.parametrize("path", found, ids=lambda path: "/".join(path.parts[-3:-1]))


@under("expected", "request.json")
def test_the_provider_takes_the_request(path):
    provider, body = path.parts[-3].split("-to-")[1], file_of(path)
    if "refused" in body:
        assert (provider, path.parts[-2]) == ("converse", "image-url")
    else:
        REQUESTS[provider](body)


@under("expected", "answer.json")
def test_the_client_takes_the_answer(path):
    client = path.parts[-3].split("-to-")[0]
    (ERRORS if path.parts[-2] == "error" else ANSWERS)[client](file_of(path))


@under("expected", "stream.sse")
def test_the_client_takes_the_stream(path):
    stream(path.parts[-3].split("-to-")[0], path.read_text())


# What examples leave out although the SDKs have it as required, by the type of the object that misses it.
LEFT_OUT = {
    "input_image": {"detail": "auto"},
    "response.output_text.delta": {"logprobs": []},
    "response.output_text.done": {"logprobs": []},
}
# OpenRouter's own form of an error in a stream.
NOT_OPENAIS = '"error": {"code": "server_error", "message": "Provider disconnected unexpectedly"}'


def completed(value):
    """An example with what it leaves out."""
    if isinstance(value, list):
        return [completed(item) for item in value]
    if isinstance(value, dict):
        return {name: completed(item) for name, item in {**LEFT_OUT.get(value.get("type"), {}), **value}.items()}
    return value


@under("published", "*")
def test_the_examples_are_of_their_dialect(path):
    dialect, feature = path.parts[-3:-1]
    text = path.read_text()
    if path.name == "stream.jsonl":
        converse_stream(text)
    elif path.name == "stream.sse":
        if (dialect, feature) == ("chat", "error"):
            assert NOT_OPENAIS in text
            text = text.replace(NOT_OPENAIS[:-1], NOT_OPENAIS[:-1] + ', "type": "", "param": null')
        lines = [f"data: {json.dumps(completed(json.loads(line[6:])))}" if line.startswith("data: {") else line
                 for line in text.split("\n")]
        stream(dialect, "\n".join(lines))
    elif path.name == "request.json":
        body = completed(json.loads(text))
        # Both spellings of a name are right at Google's; the SDK writes one of them.
        read(Rest, body, strict=False) if dialect == "gemini" else REQUESTS[dialect](body)
    else:
        (ERRORS if feature == "error" else ANSWERS)[dialect](json.loads(text))


@pytest.mark.parametrize("dialect", ANSWERS)
def test_what_is_invented_is_refused(dialect):
    """The tests above can fail."""
    answer = file_of(GOLDEN / f"published/{dialect}/tools/answer.json")
    ANSWERS[dialect](answer)
    inner = {"chat": lambda a: a["choices"][0]["message"], "responses": lambda a: a["output"][0],
             "messages": lambda a: a["content"][-1], "gemini": lambda a: a["candidates"][0]["content"]["parts"][0],
             "converse": lambda a: a["output"]["message"]["content"][0]["toolUse"]}[dialect](answer)
    inner["invented"] = 1
    with pytest.raises((AssertionError, ValueError)):
        ANSWERS[dialect](answer)


@pytest.mark.parametrize("dialect", REQUESTS)
def test_what_is_invented_is_not_sent(dialect):
    provider = f"{'messages' if dialect == 'chat' else 'chat'}-to-{dialect}"
    request = file_of(GOLDEN / f"expected/{provider}/tools/request.json")
    inner = {"chat": lambda r: r["messages"][1]["tool_calls"][0], "responses": lambda r: r["tools"][0],
             "messages": lambda r: r["messages"][1]["content"][0], "gemini": lambda r: r["contents"][1]["parts"][0],
             "converse": lambda r: r["messages"][1]["content"][0]["toolUse"]}[dialect](request)
    inner["invented"] = 1
    with pytest.raises((AssertionError, ValueError)):
        REQUESTS[dialect](request)

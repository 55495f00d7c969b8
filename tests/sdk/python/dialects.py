"""Every client in one shape: what it asks, and what its own objects say afterwards.

A `Reply` is read from the client's own types, so that a field the client cannot read is a field that is not there. The
history of a conversation is made of the client's own objects too.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Callable

import anthropic
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from harness import PATIENCE
from pydantic import BaseModel

# A picture of one pixel; the mock says its type and size.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

TOOLS = {
    "get_weather": ("The weather of a city", {"city": {"type": "string"}}),
    "get_time": ("The time in a zone", {"zone": {"type": "string"}}),
}


def schema_of(name):
    properties = TOOLS[name][1]
    return {"type": "object", "properties": properties, "required": list(properties)}


class Weather(BaseModel):
    """What structured output asks for."""

    city: str
    degrees: int


@dataclass
class Reply:
    text: str = ""
    thoughts: str = ""
    refusal: str = ""
    calls: list = field(default_factory=list)  # (name, arguments)
    reason: str = ""  # stop, tools, length, refusal
    usage: dict = field(default_factory=dict)  # input (with cached), output (with thoughts), cached, thoughts
    parsed: Any = None
    headers: dict = field(default_factory=dict)
    pieces: int = 0  # how many pieces of text a stream came in
    follow: Callable = None  # results by tool name -> the next Reply


class Client:
    """A client, pointed at a gateway. `name` and `dialect` are what the matrix calls it."""

    def __init__(self, url):
        self.url = url

    def ask(self, model, prompt, stream=False, **wishes) -> Reply:
        raise NotImplementedError


def words(table, word):
    """`word` in the common vocabulary, or itself."""
    return table.get(word, word)


class OpenAIChat(Client):
    name, dialect = "openai", "chat-completions"
    reasons = {"stop": "stop", "tool_calls": "tools", "length": "length", "content_filter": "refusal"}
    # What a client raises for a status, and in the middle of a stream.
    failures = {400: openai.BadRequestError, 401: openai.AuthenticationError, 404: openai.NotFoundError,
                429: openai.RateLimitError, 503: openai.InternalServerError}
    broken = openai.APIError

    def client(self):
        return openai.OpenAI(base_url=f"{self.url}/openai/v1", api_key="unused", timeout=PATIENCE, max_retries=0)

    def ask(self, model, prompt, stream=False, image=None, **wishes):
        content = prompt
        if image:
            url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
            content = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": url}}]
        return self.send(model, [{"role": "user", "content": content}], stream, **wishes)

    def send(self, model, messages, stream, tools=(), schema=None, think=False, extra=None):
        options = {"model": model, "messages": messages, "extra_body": extra}
        if tools:
            options["tools"] = [
                {"type": "function", "function": {"name": n, "description": TOOLS[n][0], "parameters": schema_of(n)}}
                for n in tools
            ]
        if think:
            options["reasoning_effort"] = "low"
        if schema:
            options["response_format"] = schema
        with self.client() as client:
            chat = client.chat.completions
            reply = Reply()
            if stream:
                with chat.stream(**options, stream_options={"include_usage": True}) as events:
                    try:
                        reply.pieces = sum(event.type == "content.delta" for event in events)
                        answer = events.get_final_completion()
                    # How this helper says that an answer was cut or refused.
                    except openai.LengthFinishReasonError as cut:
                        answer = cut.completion
                    except openai.ContentFilterFinishReasonError:
                        return Reply(reason="refusal")
            else:
                raw = (chat.with_raw_response.parse if schema else chat.with_raw_response.create)(**options)
                answer, reply.headers = raw.parse(), dict(raw.headers)
        return self.read(reply, answer, lambda more: self.send(model, messages + more, stream, tools, think=think))

    def read(self, reply, answer, go_on):
        (choice,) = answer.choices
        message = choice.message
        reply.text, reply.refusal = message.content or "", message.refusal or ""
        reply.thoughts = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""
        calls = message.tool_calls or []
        reply.calls = [(call.function.name, json.loads(call.function.arguments)) for call in calls]
        reply.reason = words(self.reasons, choice.finish_reason)
        if reply.refusal:
            reply.reason = "refusal"
        reply.parsed = getattr(message, "parsed", None)
        usage = answer.usage
        reply.usage = {
            "input": usage.prompt_tokens,
            "output": usage.completion_tokens,
            "cached": usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens,
            "thoughts": usage.completion_tokens_details and usage.completion_tokens_details.reasoning_tokens,
        }
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        # OpenRouter says the role in every chunk, and the client's helper puts them all together.
        history = message.model_dump(exclude_none=True, exclude={"parsed"}) | {"role": "assistant"}
        for call in history.get("tool_calls", []):
            call["function"].pop("parsed_arguments", None)
            call.pop("index", None)

        def follow(results):
            answers = [{"role": "tool", "tool_call_id": c.id, "content": results[c.function.name]} for c in calls]
            return go_on([history, *answers])

        reply.follow = follow
        return reply


class Failed(Exception):
    """An event `response.failed`: the client hands it over and goes on."""


class OpenAIResponses(Client):
    name, dialect = "openai", "responses"
    failures, broken = OpenAIChat.failures, (openai.APIError, Failed)
    client = OpenAIChat.client

    def ask(self, model, prompt, stream=False, image=None, **wishes):
        content = [{"type": "input_text", "text": prompt}]
        if image:
            url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
            content.append({"type": "input_image", "image_url": url, "detail": "auto"})
        return self.send(model, [{"role": "user", "content": content}], stream, **wishes)

    def send(self, model, items, stream, tools=(), schema=None, think=False, extra=None):
        options = {"model": model, "input": items, "extra_body": extra}
        if tools:
            options["tools"] = [
                {"type": "function", "name": n, "description": TOOLS[n][0], "parameters": schema_of(n), "strict": False}
                for n in tools
            ]
        if think:
            options["store"] = False
            options["reasoning"] = {"effort": "low", "summary": "auto"}
            options["include"] = ["reasoning.encrypted_content"]
        if schema:
            options["text_format"] = schema
        with self.client() as client:
            reply = Reply()
            if stream:
                with client.responses.stream(**options) as events:
                    for event in events:
                        reply.pieces += event.type == "response.output_text.delta"
                        if event.type in ("response.completed", "response.incomplete"):
                            answer = event.response
                        if event.type == "response.failed":
                            raise Failed(event.response.error.message)
            else:
                raw = client.responses.with_raw_response
                raw = (raw.parse if schema else raw.create)(**options)
                answer, reply.headers = raw.parse(), dict(raw.headers)
        return self.read(reply, answer, lambda more: self.send(model, items + more, stream, tools, think=think))

    def read(self, reply, answer, go_on):
        reply.text = answer.output_text
        reply.parsed = getattr(answer, "output_parsed", None)
        calls = [item for item in answer.output if item.type == "function_call"]
        reply.calls = [(call.name, json.loads(call.arguments)) for call in calls]
        for item in answer.output:
            if item.type == "reasoning":
                reply.thoughts += "".join(part.text for part in item.summary)
                reply.thoughts += "".join(part.text for part in item.content or [])
            if item.type == "message":
                reply.refusal += "".join(part.refusal for part in item.content if part.type == "refusal")
        reply.reason = "tools" if calls else "stop"
        if answer.status == "incomplete":
            reasons = {"max_output_tokens": "length", "content_filter": "refusal"}
            reply.reason = words(reasons, answer.incomplete_details.reason)
        if reply.refusal:
            reply.reason = "refusal"
        usage = answer.usage
        reply.usage = {
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.input_tokens_details.cached_tokens,
            "thoughts": usage.output_tokens_details.reasoning_tokens,
        }
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        unknown = {"parsed_arguments", "parsed"}
        history = [item.model_dump(exclude_none=True, exclude=unknown) for item in answer.output]

        def follow(results):
            answers = [
                {"type": "function_call_output", "call_id": c.call_id, "output": results[c.name]} for c in calls
            ]
            return go_on([*history, *answers])

        reply.follow = follow
        return reply


class Anthropic(Client):
    name, dialect = "anthropic", "messages"
    reasons = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tools", "max_tokens": "length"}
    failures = {400: anthropic.BadRequestError, 401: anthropic.AuthenticationError, 404: anthropic.NotFoundError,
                429: anthropic.RateLimitError, 503: anthropic.InternalServerError}
    broken = anthropic.APIError

    def client(self):
        return anthropic.Anthropic(
            base_url=f"{self.url}/anthropic", api_key="unused", timeout=PATIENCE, max_retries=0
        )

    def ask(self, model, prompt, stream=False, image=None, **wishes):
        content = [{"type": "text", "text": prompt}]
        if image:
            data = base64.b64encode(image).decode()
            source = {"type": "base64", "media_type": "image/png", "data": data}
            content.insert(0, {"type": "image", "source": source})
        return self.send(model, [{"role": "user", "content": content}], stream, **wishes)

    def send(self, model, messages, stream, tools=(), schema=None, think=False, extra=None):
        options = {"model": model, "messages": messages, "max_tokens": 4096, "extra_body": extra}
        if tools:
            options["tools"] = [
                {"name": n, "description": TOOLS[n][0], "input_schema": schema_of(n)} for n in tools
            ]
        if think:
            options["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if schema:
            options["output_format"] = schema
        with self.client() as client:
            reply = Reply()
            if stream:
                with client.messages.stream(**options) as events:
                    reply.pieces = sum(event.type == "text" for event in events)
                    answer = events.get_final_message()
            elif schema:
                answer = client.messages.parse(**options)
            else:
                raw = client.messages.with_raw_response.create(**options)
                answer, reply.headers = raw.parse(), dict(raw.headers)
        return self.read(reply, answer, lambda more: self.send(model, messages + more, stream, tools, think=think))

    def read(self, reply, answer, go_on):
        blocks = answer.content
        reply.text = "".join(block.text for block in blocks if block.type == "text")
        reply.thoughts = "".join(block.thinking for block in blocks if block.type == "thinking")
        calls = [block for block in blocks if block.type == "tool_use"]
        reply.calls = [(call.name, call.input) for call in calls]
        reply.reason = words(self.reasons, answer.stop_reason)
        reply.parsed = getattr(answer, "parsed_output", None)
        usage = answer.usage
        cached = usage.cache_read_input_tokens or 0
        reply.usage = {
            "input": usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
            "output": usage.output_tokens,
            "cached": cached,
            "thoughts": None,
        }
        history = {"role": "assistant", "content": blocks}

        def follow(results):
            answers = [{"type": "tool_result", "tool_use_id": c.id, "content": results[c.name]} for c in calls]
            return go_on([history, {"role": "user", "content": answers}])

        reply.follow = follow
        return reply


class Gemini(Client):
    name, dialect = "google-genai", "generate-content"
    reasons = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "refusal", "PROHIBITED_CONTENT": "refusal"}
    failures = {400: genai_errors.ClientError, 401: genai_errors.ClientError, 404: genai_errors.ClientError,
                429: genai_errors.ClientError, 503: genai_errors.ServerError}
    broken = genai_errors.APIError

    def client(self):
        options = types.HttpOptions(base_url=f"{self.url}/genai", timeout=PATIENCE * 1000)
        return genai.Client(api_key="unused", http_options=options)

    def ask(self, model, prompt, stream=False, image=None, **wishes):
        parts = [types.Part.from_text(text=prompt)]
        if image:
            parts.append(types.Part.from_bytes(data=image, mime_type="image/png"))
        return self.send(model, [types.Content(role="user", parts=parts)], stream, **wishes)

    def send(self, model, contents, stream, tools=(), schema=None, think=False, extra=None):
        config = types.GenerateContentConfig(**(extra or {}))
        config.automatic_function_calling = types.AutomaticFunctionCallingConfig(disable=True)
        if tools:
            functions = [
                types.FunctionDeclaration(
                    name=n, description=TOOLS[n][0], parameters_json_schema=schema_of(n)
                )
                for n in tools
            ]
            config.tools = [types.Tool(function_declarations=functions)]
        if think:
            config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
        if schema:
            config.response_mime_type, config.response_schema = "application/json", schema
        reply = Reply()
        with self.client() as client:
            if stream:
                answers = list(client.models.generate_content_stream(model=model, contents=contents, config=config))
            else:
                answers = [client.models.generate_content(model=model, contents=contents, config=config)]
        if not stream:
            reply.headers = dict(answers[0].sdk_http_response.headers)
            reply.parsed = answers[0].parsed
        go_on = lambda more: self.send(model, contents + more, stream, tools, think=think)
        self.read(reply, answers, go_on)
        if stream and schema:
            # What comes in pieces its users put together themselves.
            reply.parsed = schema.model_validate_json(reply.text)
        return reply

    def read(self, reply, answers, go_on):
        parts, reason, usage = [], None, None
        for answer in answers:
            candidate = answer.candidates[0] if answer.candidates else None
            found = candidate.content.parts if candidate and candidate.content else None
            reply.pieces += any(part.text and not part.thought for part in found or [])
            parts.extend(found or [])
            reason = candidate.finish_reason if candidate and candidate.finish_reason else reason
            usage = answer.usage_metadata or usage
        reply.text = "".join(part.text for part in parts if part.text and not part.thought)
        reply.thoughts = "".join(part.text for part in parts if part.text and part.thought)
        calls = [part.function_call for part in parts if part.function_call]
        reply.calls = [(call.name, call.args) for call in calls]
        reply.reason = words(self.reasons, reason.name if reason else "")
        if calls and reply.reason == "stop":
            reply.reason = "tools"
        thoughts = usage.thoughts_token_count or 0
        reply.usage = {
            "input": usage.prompt_token_count,
            "output": (usage.candidates_token_count or 0) + thoughts,
            "cached": usage.cached_content_token_count or 0,
            "thoughts": thoughts,
        }
        assert usage.total_token_count == usage.prompt_token_count + reply.usage["output"]
        history = types.Content(role="model", parts=parts)

        def follow(results):
            answers = [
                types.Part(
                    function_response=types.FunctionResponse(
                        id=call.id, name=call.name, response={"result": results[call.name]}
                    )
                )
                for call in calls
            ]
            return go_on([history, types.Content(role="user", parts=answers)])

        reply.follow = follow
        return reply


CLIENTS = [OpenAIChat, OpenAIResponses, Anthropic, Gemini]

"""LangChain's clients in the shape of `dialects`: three packages, one interface."""

import base64

from dialects import CLIENTS, TOOLS, Anthropic, Client, Gemini, OpenAIChat, Reply, schema_of
from harness import PATIENCE
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_google_genai.chat_models import ChatGoogleGenerativeAIError
from langchain_openai import ChatOpenAI


class LangChain(Client):
    def model(self, name, think):
        raise NotImplementedError

    def ask(self, model, prompt, stream=False, image=None, **wishes):
        content = [{"type": "text", "text": prompt}]
        if image:
            data = base64.b64encode(image).decode()
            content.append({"type": "image", "base64": data, "mime_type": "image/png"})
        return self.send(model, [HumanMessage(content)], stream, **wishes)

    def send(self, model, messages, stream, tools=(), schema=None, think=False, extra=None):
        chat = self.model(model, think)
        if tools:
            functions = [
                {"type": "function", "function": {"name": n, "description": TOOLS[n][0], "parameters": schema_of(n)}}
                for n in tools
            ]
            chat = chat.bind_tools(functions)
        reply = Reply()
        if schema:
            chat = chat.with_structured_output(schema, method="json_schema", include_raw=True)
            answer = None
            for piece in chat.stream(messages) if stream else [chat.invoke(messages)]:
                if "raw" in piece:
                    reply.pieces += bool(piece["raw"].text)
                    answer = piece["raw"] if answer is None else answer + piece["raw"]
                reply.parsed = piece.get("parsed") or reply.parsed
        elif stream:
            answer = None
            for chunk in chat.stream(messages):
                reply.pieces += bool(chunk.text)
                answer = chunk if answer is None else answer + chunk
        else:
            answer = chat.invoke(messages)
        return self.read(reply, answer, lambda more: self.send(model, messages + more, stream, tools, think=think))

    def read(self, reply, answer, go_on):
        reply.text = str(answer.text)
        for block in answer.content_blocks:
            if block["type"] == "reasoning":
                reply.thoughts += block.get("reasoning", "")
        reply.calls = [(call["name"], call["args"]) for call in answer.tool_calls]
        reply.reason = "tools" if answer.tool_calls else "stop"
        usage = answer.usage_metadata or {}
        reply.usage = {
            "input": usage.get("input_tokens"),
            "output": usage.get("output_tokens"),
            "cached": usage.get("input_token_details", {}).get("cache_read", 0),
            "thoughts": usage.get("output_token_details", {}).get("reasoning"),
        }

        def follow(results):
            answers = [ToolMessage(results[c["name"]], tool_call_id=c["id"], name=c["name"]) for c in answer.tool_calls]
            return go_on([answer, *answers])

        reply.follow = follow
        return reply


class LangChainOpenAI(LangChain):
    name, dialect = "langchain-openai", "chat-completions"
    failures, broken = OpenAIChat.failures, OpenAIChat.broken

    def model(self, name, think):
        options = {"reasoning_effort": "low"} if think else {}
        return ChatOpenAI(
            model=name, base_url=f"{self.url}/openai/v1", api_key="unused", timeout=PATIENCE, max_retries=0,
            stream_usage=True, **options,
        )


class LangChainAnthropic(LangChain):
    name, dialect = "langchain-anthropic", "messages"
    failures, broken = Anthropic.failures, Anthropic.broken

    def model(self, name, think):
        options = {"thinking": {"type": "enabled", "budget_tokens": 1024}} if think else {}
        return ChatAnthropic(
            model=name, base_url=f"{self.url}/anthropic", api_key="unused", timeout=PATIENCE, max_retries=0,
            max_tokens=4096, **options,
        )


class LangChainGemini(LangChain):
    name, dialect = "langchain-google-genai", "generate-content"
    failures = dict.fromkeys(Gemini.failures, (ChatGoogleGenerativeAIError, Gemini.broken))
    broken = (ChatGoogleGenerativeAIError, Gemini.broken)

    def model(self, name, think):
        options = {"include_thoughts": True, "thinking_budget": 1024} if think else {}
        return ChatGoogleGenerativeAI(
            model=name, base_url=f"{self.url}/genai", api_key="unused", timeout=PATIENCE, max_retries=1, **options,
        )


EVERY_CLIENT = [*CLIENTS, LangChainOpenAI, LangChainAnthropic, LangChainGemini]

"""The asynchronous clients, once each: another HTTP path below the same interface."""

import asyncio

import anthropic
import openai
import pytest

HELLO = [{"role": "user", "content": "Hello"}]
MODEL = "gpt-4o-mini"
CLAUDE = "claude-sonnet-5"


def test_openai(mock, openai_keys):
    async def run():
        async with openai_keys.async_openai("team-token") as client:
            plain = await client.chat.completions.create(model=MODEL, messages=HELLO)
            stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            parts = [c.choices[0].delta.content or "" async for c in stream if c.choices]
            response = await client.responses.create(model=MODEL, input="Hello")
            embeddings = await client.embeddings.create(model="text-embedding-3-small", input="Hello")
            names = [model.id async for model in client.models.list()]
            with pytest.raises(openai.UnprocessableEntityError) as caught:
                await client.chat.completions.create(model="gpt-4a", messages=HELLO)
        text = plain.choices[0].message.content
        assert text == "".join(parts) == response.output_text
        assert len(embeddings.data[0].embedding) == 1536
        assert MODEL in names
        assert caught.value.code == "ERR_NGROK_3804"

    asyncio.run(run())


def test_openai_many_at_once(mock, openai_keys):
    """Forty streams side by side, none gets a word of another's."""
    mock.script(otherwise={"echo": True, "chunk_delay_ms": 1})

    async def one(client, number):
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": f"I am {number:04}"}], stream=True
        )
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    async def run():
        async with openai_keys.async_openai("team-token") as client:
            return await asyncio.gather(*(one(client, number) for number in range(40)))

    for number, text in enumerate(asyncio.run(run())):
        assert f"I am {number:04}" in text


def test_openai_failover(mock, openai_pair):
    mock.script({"path": "/openai/*", "answers": [{"status": 503}]})

    async def run():
        async with openai_pair.async_openai() as client:
            stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    assert asyncio.run(run()).startswith("Hello from model-from-reserve")


def test_anthropic(mock, start):
    gateway = start("anthropic-client-key.yml")

    async def run():
        async with gateway.async_anthropic(api_key="sk-ant-test") as client:
            plain = await client.messages.create(model=CLAUDE, max_tokens=10, messages=HELLO)
            async with client.messages.stream(model=CLAUDE, max_tokens=10, messages=HELLO) as stream:
                parts = [text async for text in stream.text_stream]
            count = await client.messages.count_tokens(model=CLAUDE, messages=HELLO)
            names = [model.id async for model in client.models.list(limit=5)]
            with pytest.raises(anthropic.UnprocessableEntityError) as caught:
                await client.messages.create(model="claude-0", max_tokens=10, messages=HELLO)
        assert plain.content[0].text == "".join(parts)
        assert count.input_tokens > 0
        assert CLAUDE in names
        assert "ERR_NGROK_3804" in str(caught.value)

    asyncio.run(run())

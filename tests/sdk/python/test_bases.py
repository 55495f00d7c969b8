"""Base URLs as people write them: with and without the version, below each provider's name or not."""

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from harness import PATIENCE
from test_matrix import secrets


@pytest.fixture
def url(mock, start):
    mock.script(strict=True)
    return start("every-dialect.yml", secrets(mock)).url


PLAIN = ["/v1", "", "/openai/v1", "/openai"]
OPENROUTER = ["/openrouter/api/v1", "/openrouter/v1", "/openrouter/api"]


@pytest.mark.parametrize("base", PLAIN + OPENROUTER[:2])
def test_openai(url, base):
    with openai.OpenAI(base_url=url + base, api_key="unused", timeout=PATIENCE, max_retries=0) as client:
        messages = [{"role": "user", "content": "[[say Hi]]"}]
        assert client.chat.completions.create(model="openai:gpt-4o", messages=messages).choices[0].message.content == "Hi"
        assert client.responses.create(model="openai:gpt-4o", input="[[say Hi]]").output_text == "Hi"
        assert any(model.id.endswith("gpt-4o") for model in client.models.list())


@pytest.mark.parametrize("base", ["", "/anthropic", "/openrouter/api", "/openrouter"])
def test_anthropic(url, base):
    with anthropic.Anthropic(base_url=url + base, api_key="unused", timeout=PATIENCE, max_retries=0) as client:
        messages = [{"role": "user", "content": "[[say Hi]]"}]
        answer = client.messages.create(model="anthropic:claude-sonnet-4-5", max_tokens=64, messages=messages)
        assert answer.content[0].text == "Hi"


@pytest.mark.parametrize("base", ["/genai", ""])
@pytest.mark.parametrize("version", ["v1beta", "v1", None])
def test_gemini(url, base, version):
    options = types.HttpOptions(base_url=url + base, api_version=version, timeout=PATIENCE * 1000)
    with genai.Client(api_key="unused", http_options=options) as client:
        answer = client.models.generate_content(model="google:gemini-2.5-flash", contents="[[say Hi]]")
        assert answer.text == "Hi"


def test_a_name_without_prefix_is_the_mounts_own(url, mock):
    """Below /openrouter a name that nothing knows is OpenRouter's."""
    with openai.OpenAI(base_url=f"{url}/openrouter/api/v1", api_key="unused", max_retries=0) as client:
        messages = [{"role": "user", "content": "[[say Hi]]"}]
        client.chat.completions.create(model="somebody/new-model", messages=messages)
    assert (mock.only().provider, mock.only().model) == ("openrouter", "somebody/new-model")

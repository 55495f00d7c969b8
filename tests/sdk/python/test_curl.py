"""S8 without any SDK: the command the guide shows."""

import json
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

MODEL = "openrouter:anthropic/claude-3.5-sonnet"


def curl(gateway, path, body, *options):
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", *options]
    command += [f"{gateway.url}{path}", "-H", "content-type: application/json"]
    command += ["-H", "authorization: Bearer sk-or-v1-test", "-d", json.dumps(body)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def question(**more):
    return {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]} | more


def test_s8_curl(mock, openrouter):
    answer = json.loads(curl(openrouter, "/v1/chat/completions", question()))
    assert answer["choices"][0]["message"]["content"].startswith("Hello from anthropic/claude-3.5-sonnet")
    assert mock.only().key == "sk-or-v1-test"


def test_s8_curl_streamed(openrouter):
    answer = curl(openrouter, "/v1/chat/completions", question(stream=True), "--no-buffer")
    events = [line for line in answer.splitlines() if line.startswith("data: ")]
    assert events[-1] == "data: [DONE]"
    assert all(json.loads(event.removeprefix("data: ")) for event in events[:-1])


def test_s8_curl_sees_the_error_and_its_status(openrouter):
    answer = curl(openrouter, "/v1/chat/completions", question(model="anthropic/claude-3.5-sonnet"), "--include")
    head, body = answer.split("\n\n", 1) if "\n\n" in answer else answer.split("\r\n\r\n", 1)
    assert " 422" in head.splitlines()[0]
    assert json.loads(body)["error"]["code"] == "ERR_NGROK_3804"

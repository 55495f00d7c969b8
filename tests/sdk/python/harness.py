"""Starts the mock providers and the gateway, and reads from their own words where they listen.

Nothing here sleeps: a process says when it is ready, and whoever waits gives up after `PATIENCE` seconds.
"""

import json
import os
import queue
import re
import subprocess
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import anthropic
import openai

SDK = Path(__file__).resolve().parent.parent
ROOT = SDK.parent.parent
PATIENCE = 30  # seconds

# Where the mock serves each built-in provider.
BASES = {
    "anthropic": "/anthropic/v1",
    "azure": "/openai",
    "bedrock": "/bedrock",
    "google": "/google/v1beta/openai",
    "openai": "/openai/v1",
    "openrouter": "/openrouter/api/v1",
    "vertex": "/v1/projects/mock-project/locations/global/publishers/google",
}
# Addresses that policies in /policies name themselves.
ADDRESSES = {
    "http://mock.invalid": "",
    "http://127.0.0.1:8000/v1": "/vllm/v1",
    "http://127.0.0.1:11434": "/ollama/v1",
}


def binary(variable, name):
    """The path of a binary: from the environment, or from the usual build directory."""
    path = Path(os.environ.get(variable) or ROOT / "target" / "debug" / name)
    if not path.is_file():
        raise RuntimeError(f"{path} does not exist: build it, or say where it is with {variable}")
    return str(path)


class Process:
    """A child whose first lines say where it listens."""

    def __init__(self, command, env, log):
        self.log = log
        self.stderr = open(log, "wb")
        self.lines = []
        self.announced = queue.Queue()
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr, env=env, cwd=log.parent
        )
        # Standard output is read to its end, or the child would block on a full pipe.
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            self.lines.append(text)
            self.announced.put(text)
        self.announced.put(None)

    def address(self, prefix):
        """The address in the next line that begins like this."""
        while True:
            try:
                line = self.announced.get(timeout=PATIENCE)
            except queue.Empty:
                raise RuntimeError(f"no line '{prefix}…' within {PATIENCE} s; {self.said()}") from None
            if line is None:
                raise RuntimeError(f"ended before the line '{prefix}…'; {self.said()}")
            if line.startswith(prefix):
                return line.removeprefix(prefix).split()[0]

    def said(self):
        return f"standard output: {self.lines}\nstandard error: {self.log.read_text(errors='replace')}"

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.child.stdin.close()
        self.child.stdout.close()
        self.stderr.close()


class Mock:
    """The providers that the gateway talks to."""

    def __init__(self, folder):
        script = folder / "script.yml"
        script.write_text("{}\n")
        command = [binary("MOCK_BIN", "mock-providers"), "--script", str(script)]
        self.process = Process(command, None, folder / "mock.err")
        self.url = self.process.address("listening on ")
        self.control = self.process.address("control on ")
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def script(self, *rules, **rest):
        """What is answered from now on. Also forgets what was received."""
        self._call("PUT", "/__script", json.dumps({"rules": list(rules), **rest}).encode())
        self._call("DELETE", "/__requests")

    def requests(self):
        """What was asked of models, in order; not what the gateway looks up on its own (lists of models, tokens)."""
        return [r for r in self.everything() if r.method == "POST" and r.surface != "token"]

    def everything(self):
        """What was received, in order."""
        return [SimpleNamespace(**request) for request in self._call("GET", "/__requests")]

    def only(self):
        """The one request that was received."""
        requests = self.requests()
        assert len(requests) == 1, [(r.method, r.path_and_query, r.model) for r in requests]
        return requests[0]

    def paths(self):
        return [request.path_and_query for request in self.requests()]

    def _call(self, method, path, body=None):
        request = urllib.request.Request(self.control + path, data=body, method=method)
        with self.opener.open(request, timeout=PATIENCE) as answer:
            return json.load(answer)


class Gateway:
    """The built binary, with a policy that sends every provider's traffic to the mock."""

    def __init__(self, policy, secrets, mock, folder, env=None):
        folder.mkdir()
        file = folder / "policy.yml"
        file.write_text(pointed_at(policy_text(policy), mock.url))
        command = [binary("TOLLGATE_BIN", "tollgate"), "run", str(file)]
        command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        environment = clean_environment(folder) | secret_variables(secrets) | (env or {})
        self.process = Process(command, environment, folder / "gateway.err")
        self.url = self.process.address("listening on ")
        self.clients = []

    def openai(self, api_key="unused", **options):
        return self._client(openai.OpenAI, base_url=f"{self.url}/v1", api_key=api_key, **options)

    def async_openai(self, api_key="unused", **options):
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=api_key, timeout=PATIENCE, **options)

    def anthropic(self, **options):
        return self._client(anthropic.Anthropic, base_url=self.url, **options)

    def async_anthropic(self, **options):
        return anthropic.AsyncAnthropic(base_url=self.url, timeout=PATIENCE, **options)

    def _client(self, kind, **options):
        # Their usual ten minutes would hide a hanging gateway for too long.
        client = kind(timeout=PATIENCE, **options)
        self.clients.append(client)
        return client

    def stop(self):
        for client in self.clients:
            client.close()
        self.process.stop()


def policy_text(name):
    """A policy of these tests, or else one that people run as it is."""
    own = SDK / "policies" / name
    return (own if own.is_file() else ROOT / "policies" / name).read_text()


def pointed_at(policy, url):
    """A copy of a policy whose providers are at this address."""
    lines = []
    for line in policy.splitlines():
        for address, path in ADDRESSES.items():
            line = line.replace(address, url + path)
        lines.append(line)
        provider = re.fullmatch(r"( *)- id: ([a-z]+)", line)
        if provider and provider[2] in BASES:
            lines.append(f"{provider[1]}  base_url: {url}{BASES[provider[2]]}")
    return "\n".join(lines) + "\n"


def clean_environment(home):
    """Nothing of the machine's own settings and keys; only what a process needs to start."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
    return kept | {"HOME": str(home)}


def secret_variables(secrets):
    """`{"openai": {"api-key": "..."}}` as the variables the gateway reads."""
    part = lambda text: re.sub("[^A-Z0-9]", "_", text.upper())
    return {
        f"TOLLGATE_SECRET__{part(vault)}__{part(name)}": value
        for vault, values in secrets.items()
        for name, value in values.items()
    }

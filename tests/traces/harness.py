"""The gateway, the mock providers and a collector as processes, and a receiver that decodes what comes out at the end."""

import gzip
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30  # seconds
KEY = "key-one-dddddddddddddddddddddd-4444"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def binary(variable):
    path = Path(os.environ[variable])
    assert path.is_file(), f"{variable}: {path} does not exist"
    return str(path)


def rotel():
    """The collector's program, or None where there is no wheel of it."""
    try:
        import rotel as package
    except ImportError:
        return None
    program = Path(package.__file__).with_name("rotel-agent")
    return str(program) if program.is_file() else None


class Process:
    """A child whose output is read to its end."""

    def __init__(self, command, env, folder):
        kept = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
        self.lines, self.said = [], queue.Queue()
        self.errors = open(folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.err", "w+b")
        self.child = subprocess.Popen(
            command,
            env=kept | {"HOME": str(folder)} | env,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            self.lines.append(text)
            self.said.put(text)
        self.said.put(None)

    def line(self, fits):
        """The next line that fits."""
        until = time.monotonic() + PATIENCE
        while True:
            line = self.said.get(timeout=max(0.0, until - time.monotonic()))
            assert line is not None, f"it ended: {self.lines}\n{self.stderr()}"
            if fits(line):
                return line

    def address(self, prefix):
        return self.line(lambda line: line.startswith(prefix)).removeprefix(prefix).split()[0]

    def stderr(self):
        self.errors.flush()
        return Path(self.errors.name).read_text(errors="replace")

    def terminate(self):
        """Asks it to end, and gives its status and how long that took."""
        began = time.monotonic()
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(PATIENCE), time.monotonic() - began

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(PATIENCE)
        self.child.stdin.close()
        self.errors.close()


class Receiver:
    """Takes traces by OTLP over HTTP, with TLS where it has a certificate and its key in one file, and keeps them."""

    def __init__(self, certificate=None):
        receiver = self
        self.requests, self.changed = [], threading.Condition()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = self.headers.get("content-length")
                body = self.rfile.read(int(length)) if length else self._chunks()
                plain = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
                with receiver.changed:
                    receiver.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, plain))
                    receiver.changed.notify_all()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def _chunks(self):
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self):
        """Every span so far, with its resource."""
        found = []
        for _, _, body in list(self.requests):
            message = ExportTraceServiceRequest()
            message.ParseFromString(body)
            for group in message.resource_spans:
                resource = plain(group.resource.attributes)
                found += [Span(span, resource) for scope in group.scope_spans for span in scope.spans]
        return found

    def wait(self, count):
        """Returns once so many spans have come."""
        until = time.monotonic() + PATIENCE
        with self.changed:
            while len(self.spans()) < count:
                left = until - time.monotonic()
                assert left > 0 and self.changed.wait(left), f"{len(self.spans())} spans of {count}: {self.spans()}"
        return self.spans()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Span:
    """A span with plain values."""

    def __init__(self, span, resource):
        self.name, self.kind, self.resource = span.name, span.kind, resource
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.start, self.end = span.start_time_unix_nano, span.end_time_unix_nano
        self.attributes = plain(span.attributes)
        self.events = [(event.name, plain(event.attributes)) for event in span.events]
        self.error = span.status.code == 2

    def __repr__(self):
        return f"{self.name}{self.attributes}"


def plain(attributes):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


def certificate(folder):
    """A certificate of its own for this machine, and its key, in one file."""
    file = folder / "collector.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=collector"]
    command += ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    file.write_text(file.read_text() + (folder / "key.pem").read_text())
    return file


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def collector(receiver, folder):
    """A real collector that passes everything on to the receiver; and its address for OTLP over HTTP."""
    http, grpc = free_port(), free_port()
    command = [rotel(), "start", "--otlp-http-endpoint", f"127.0.0.1:{http}"]
    command += ["--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--batch-timeout", "100ms"]
    command += ["--pid-file", str(folder / "rotel.pid"), "--log-file", str(folder / "rotel.log")]
    command += ["--exporter", "otlp", "--otlp-exporter-endpoint", receiver.url, "--otlp-exporter-protocol", "http"]
    process = Process(command, {}, folder)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", http)) == 0:
                return process, f"http://127.0.0.1:{http}"
        time.sleep(0.05)
    raise AssertionError(f"the collector does not listen: {process.lines}\n{process.stderr()}")


def policy(mock, rules):
    """Three providers on one mock; nobody has a key for the last."""
    providers = [
        {"id": name, "base_url": mock + "/v1", "supported_api_surfaces": [{"format": "openai"}]}
        for name in ("one", "two")
    ]
    for provider in providers:
        provider["api_keys"] = [{"value": KEY}]
    providers.append({"id": "anthropic", "base_url": mock + "/anthropic/v1"})
    return json.dumps({"on_http_request": [*rules, {"type": "ai-gateway", "config": {"providers": providers}}]})


class Gateway:
    """The binary, built with the feature."""

    def __init__(self, mock, env, folder, rules=()):
        folder.mkdir(exist_ok=True)
        (folder / "policy.yml").write_text(policy(mock, rules))
        command = [binary("TOLLGATE_OTEL_BIN"), "run", "policy.yml", "--log-format", "json"]
        command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        fixed = {"TOLLGATE_MODEL_LISTS": "embedded", "OTEL_BSP_SCHEDULE_DELAY": "50"}
        self.process = Process(command, fixed | env, folder)
        self.url = self.process.address("listening on ")
        self.admin = self.process.address("admin on ")

    def chat(self, *models, prompt="Say hello.", **headers):
        """Asks; gives the status and the request's id."""
        body = {"models": list(models), "messages": [{"role": "user", "content": prompt}]}
        stream = headers.pop("stream", False)
        body |= {"stream": True} if stream else {}
        request = urllib.request.Request(
            self.url + "/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"} | headers
        )
        try:
            with DIRECT.open(request, timeout=PATIENCE) as answer:
                answer.read()
                return answer.status, answer.headers["x-tollgate-request-id"]
        except urllib.error.HTTPError as answer:
            answer.read()
            return answer.code, answer.headers["x-tollgate-request-id"]

    def log(self, request_id):
        return json.loads(self.process.line(lambda line: f'"request_id":"{request_id}"' in line))

    def metric(self, name):
        with DIRECT.open(self.admin + "/metrics", timeout=PATIENCE) as answer:
            text = answer.read().decode()
        return float(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[-1])


def becomes(ask, wanted):
    """Asks until the answer is the one that is waited for."""
    until = time.monotonic() + PATIENCE
    while not wanted(answer := ask()):
        assert time.monotonic() < until, answer
        time.sleep(0.05)


def mock_providers(folder):
    rules = [
        {"model": "limited", "answers": [{"status": 429}]},
        {"model": "slow", "answers": [{"first_content_delay_ms": 20, "chunk_delay_ms": 5, "text": "an answer of words"}]},
    ]
    (folder / "script.yml").write_text(json.dumps({"rules": rules}))
    process = Process([binary("MOCK_BIN"), "--script", str(folder / "script.yml")], {}, folder)
    return process, process.address("listening on ")

"""Traces of the built binary, as a collector gets them, and as it passes them on. `make test` builds the gateway."""

import json
import socket
import time

import pytest
from harness import KEY, Gateway, Process, Receiver, becomes, binary, certificate, collector, mock_providers, rotel

SERVER, CLIENT = 2, 3  # SpanKind of opentelemetry/proto/trace/v1
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = PARENT.split("-")[1]
PROMPT = "a-prompt-that-nobody-else-may-see"


@pytest.fixture(scope="module")
def mock(tmp_path_factory):
    process, url = mock_providers(tmp_path_factory.mktemp("mock"))
    yield url
    process.stop()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def start(mock, tmp_path):
    started = []

    def start(env, rules=()):
        started.append(Gateway(mock, env, tmp_path / f"gateway-{len(started)}", rules))
        return started[-1]

    yield start
    for gateway in started:
        gateway.process.stop()


def check_failover(spans, log):
    """One request: a candidate without a key, one that is limited, one that answers."""
    root = next(span for span in spans if span.kind == SERVER)
    limited, good = sorted((span for span in spans if span.kind == CLIENT), key=lambda span: span.start)
    assert {span.trace for span in spans} == {TRACE} == {log["trace_id"]}
    assert (root.name, root.parent) == ("POST /v1/chat/completions", PARENT.split("-")[2])
    expected = {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "server.address": "127.0.0.1",
        "user_agent.original": "a-client/1.0",
        "tollgate.request_id": log["request_id"],
        "tollgate.outcome": "success",
        "tollgate.attempts": 2,
        "tollgate.provider": "two",
    }
    assert expected.items() <= root.attributes.items(), root
    assert not root.error and "error.type" not in root.attributes
    passed_over = {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-4-5",
        "tollgate.provider": "anthropic",
        "tollgate.passed_over.reason": "no_key",
    }
    assert root.events == [("tollgate.candidate.passed_over", passed_over)]
    for span, number in ((limited, 1), (good, 2)):
        assert span.parent == root.id and root.start <= span.start <= span.end <= root.end
        assert (span.attributes["gen_ai.operation.name"], span.attributes["tollgate.attempt.number"]) == ("chat", number)
        assert span.attributes["server.address"] == "127.0.0.1" and span.attributes["server.port"] > 0
    failed = {
        "gen_ai.provider.name": "one",
        "gen_ai.request.model": "limited",
        "http.response.status_code": 429,
        "error.type": "429",
        "tollgate.attempt.outcome": "quota",
        "tollgate.attempt.reason": "status",
    }
    assert limited.name == "chat limited" and limited.error and failed.items() <= limited.attributes.items(), limited
    answered = {
        "gen_ai.provider.name": "two",
        "gen_ai.request.model": "m",
        "http.response.status_code": 200,
        "gen_ai.usage.input_tokens": log["input_tokens"],
        "gen_ai.usage.output_tokens": log["output_tokens"],
        "tollgate.attempt.outcome": "success",
    }
    assert good.name == "chat m" and not good.error and answered.items() <= good.attributes.items(), good
    assert "gen_ai.response.model" in good.attributes


def fail_over(gateway):
    status, request_id = gateway.chat(
        "anthropic:claude-sonnet-4-5", "one:limited", "two:m", prompt=PROMPT, traceparent=PARENT, **{"user-agent": "a-client/1.0"}
    )
    assert status == 200
    return gateway.log(request_id)


@pytest.mark.skipif(rotel() is None, reason="there is no wheel of the collector for this system")
def test_a_collector_takes_a_request_with_its_attempts_and_passes_it_on(start, receiver, tmp_path):
    process, url = collector(receiver, tmp_path)
    try:
        gateway = start({"OTEL_EXPORTER_OTLP_ENDPOINT": url})
        log = fail_over(gateway)
        check_failover(receiver.wait(3), log)
    finally:
        process.stop()


def test_spans_name_the_service_and_hold_no_secret(start, receiver):
    gateway = start({
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": receiver.url + "/some/path?in=query",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20for-the-collector,x-tenant=edge",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    })
    log = fail_over(gateway)
    spans = receiver.wait(3)
    check_failover(spans, log)
    resource = spans[0].resource
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("tollgate", "test")
    assert resource["service.version"]
    path, headers, _ = receiver.requests[0]
    assert path == "/some/path?in=query"
    assert (headers["authorization"], headers["x-tenant"]) == ("Bearer for-the-collector", "edge")
    assert headers["content-encoding"] == "gzip" and headers["content-type"] == "application/x-protobuf"
    everything = b"".join(body for _, _, body in receiver.requests)
    for secret in (PROMPT, KEY, "Hello from", "for-the-collector"):
        assert secret.encode() not in everything, secret
    assert "for-the-collector" not in gateway.process.stderr() + "\n".join(gateway.process.lines)
    # The receiver has them before the gateway knows.
    becomes(lambda: gateway.metric("tollgate_spans_exported_total"), lambda count: count == 3)


def test_a_stream_says_when_its_first_content_came(start, receiver):
    gateway = start({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url + "/", "OTEL_SERVICE_NAME": "edge-1"})
    status, request_id = gateway.chat("one:slow", stream=True)
    log = gateway.log(request_id)
    assert status == 200 and log["stream"]
    span = next(span for span in receiver.wait(2) if span.kind == CLIENT)
    assert span.resource["service.name"] == "edge-1"
    assert receiver.requests[0][0] == "/v1/traces"
    assert span.attributes["gen_ai.request.stream"] is True
    first = span.attributes["gen_ai.response.time_to_first_chunk"]
    assert 0.02 <= first <= (span.end - span.start) / 1e9
    assert log["first_token_ms"] >= 20 and log["upstream_head_ms"] > 0 and "attempts_detail" not in log
    assert gateway.metric('tollgate_time_between_events_seconds_count{provider="one"}') >= 1


def test_a_request_that_fails_is_an_error(start, receiver):
    gateway = start({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    status, request_id = gateway.chat("one:limited", "two:limited")
    log = gateway.log(request_id)
    spans = receiver.wait(3)
    root = next(span for span in spans if span.kind == SERVER)
    assert root.attributes["tollgate.outcome"] == "exhausted" and root.error, (status, root)
    assert [attempt["reason"] for attempt in log["attempts_detail"]] == ["status", "status"]
    assert len({span.trace for span in spans}) == 1 and root.parent == ""


@pytest.mark.parametrize("how", ["rule", "variable", "nonsense"])
def test_a_client_may_be_given_no_say(start, receiver, how):
    rule = {"type": "remove-headers", "config": {"headers": ["traceparent", "tracestate"]}}
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url} | ({"OTEL_PROPAGATORS": "none"} if how == "variable" else {})
    gateway = start(env, [rule] if how == "rule" else [])
    parent = f"00-{'z' * 32}-b7ad6b7169203331-01" if how == "nonsense" else PARENT
    assert gateway.chat("one:m", traceparent=parent)[0] == 200
    spans = receiver.wait(2)
    assert TRACE not in {span.trace for span in spans}
    assert next(span for span in spans if span.kind == SERVER).parent == ""


@pytest.mark.parametrize("sampler", [{}, {"OTEL_TRACES_SAMPLER": "always_off"}])
def test_what_is_not_sampled_is_not_sent(start, receiver, sampler):
    gateway = start({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url} | sampler)
    parent = PARENT[:-1] + ("0" if not sampler else "1")
    _, request_id = gateway.chat("one:m", traceparent=parent)
    assert "trace_id" not in gateway.log(request_id)
    assert gateway.process.terminate()[0] == 0
    assert receiver.spans() == []


def test_what_waits_is_sent_before_the_end(start, receiver):
    gateway = start({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "600000"})
    gateway.chat("one:m")
    assert gateway.process.terminate()[0] == 0
    assert len(receiver.spans()) == 2


@pytest.mark.parametrize("kind", ["dead", "silent"])
def test_a_collector_that_does_not_answer_costs_nobody_time(start, kind):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        if kind == "silent":
            nobody.listen()
        gateway = start({
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{nobody.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "60000" if kind == "silent" else "1000",
            "OTEL_BSP_MAX_QUEUE_SIZE": "4",
        })
        began = time.monotonic()
        for _ in range(20):
            assert gateway.chat("one:m")[0] == 200
        assert time.monotonic() - began < 20
        lost = 'tollgate_spans_dropped_total{reason="queue_full"}'
        if kind == "dead":
            lost = 'tollgate_spans_dropped_total{reason="export_failed"}'
        becomes(lambda: gateway.metric(lost), lambda count: count > 0)
        if kind == "dead":
            becomes(gateway.process.stderr, lambda said: "the collector does not take traces" in said)
        status, took = gateway.process.terminate()
        assert status == 0 and took < 15, took


def test_a_collector_with_tls_is_trusted_as_the_roots_say(start, tmp_path):
    file = certificate(tmp_path)
    receiver = Receiver(file)
    try:
        gateway = start({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "SSL_CERT_FILE": str(file)})
        gateway.chat("one:m")
        assert len(receiver.wait(2)) == 2
        stranger = start({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_EXPORTER_OTLP_TIMEOUT": "1000"})
        assert stranger.chat("one:m")[0] == 200
        assert stranger.process.terminate()[0] == 0
        assert "TLS handshake with the collector failed" in stranger.process.stderr()
        assert len(receiver.spans()) == 2
    finally:
        receiver.stop()


def test_what_cannot_be_heeded_keeps_it_from_starting(tmp_path, mock):
    policy = tmp_path / "policy.yml"
    policy.write_text(json.dumps({"on_http_request": [{"type": "deny"}]}))
    command = [binary("TOLLGATE_OTEL_BIN"), "run", str(policy), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    process = Process(command, env, tmp_path)
    try:
        assert process.child.wait(30) == 1
        assert "OTEL_EXPORTER_OTLP_PROTOCOL: `grpc` is not supported; write http/protobuf" in process.stderr()
    finally:
        process.stop()

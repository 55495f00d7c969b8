"""What every test gets: clean variables, the mock providers, and a way to start the gateway."""

import json
import os
from pathlib import Path

import pytest
from harness import ROOT, Gateway, Mock

FOREIGN = ("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "LANGSMITH_", "LANGCHAIN_")


def pytest_configure(config):
    config.addinivalue_line("markers", "cell(feature): a cell of the matrix of clients and providers")
    config.cells = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Writes down how a cell of the matrix ended."""
    report = (yield).get_result()
    mark = item.get_closest_marker("cell")
    ended = report.when == "call" or (report.when == "setup" and not report.passed)
    if mark is None or not ended or report.skipped:
        return
    params = item.callspec.params
    item.config.cells.append({
        "client": params["client"].name,
        "dialect": params["client"].dialect,
        "provider": params["provider"],
        "feature": mark.args[0],
        "mode": params.get("mode") or ("stream" if "stream" in mark.args[0] else "plain"),
        "upstream": upstream(item),
        "ok": report.passed,
        "why": "" if report.passed else report.longrepr.reprcrash.message.splitlines()[0][:300],
    })


def upstream(item):
    """The operation of the provider that was called, or None."""
    try:
        calls = item._request.getfixturevalue("mock").requests()
    except Exception:  # the fixture itself failed: there is nothing to say
        return None
    return calls[0].surface if calls else None


def pytest_sessionfinish(session):
    if session.config.cells:
        folder = Path(os.environ.get("MATRIX_FOLDER") or ROOT / "target" / "matrix")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "python.json").write_text(json.dumps(session.config.cells, indent=1) + "\n")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch):
    """The clients read variables; a developer's own keys, addresses and proxies must not count."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def providers(tmp_path_factory):
    mock = Mock(tmp_path_factory.mktemp("mock"))
    yield mock
    mock.process.stop()


@pytest.fixture
def mock(providers):
    """The mock providers: every call is answered well until the test says otherwise."""
    providers.script()
    return providers


@pytest.fixture
def start(mock, tmp_path):
    """Starts a gateway of its own, so that nothing one test broke cools a key down for the next."""
    gateways = []

    def start(policy, secrets=None, env=None):
        folder = tmp_path / f"gateway-{len(gateways)}"
        gateways.append(Gateway(policy, secrets or {}, mock, folder, env))
        return gateways[-1]

    yield start
    for gateway in gateways:
        gateway.stop()


@pytest.fixture
def openrouter(start):
    """policies/openrouter-client-key.yml"""
    return start("openrouter-client-key.yml")


FAILOVER_SECRETS = {
    "anthropic": {"api-key": "sk-ant-test-stored-aaaa"},
    "openrouter": {"api-key": "sk-or-v1-test-stored-bbbb"},
}


@pytest.fixture
def failover(start):
    """policies/openrouter-failover.yml"""
    return start("openrouter-failover.yml", FAILOVER_SECRETS)


THREE_KEYS = {
    "gateway-auth": {"access-token": "team-token"},
    "openai": {name: f"sk-proj-test-{name}" for name in ("first", "second", "third")},
}


@pytest.fixture
def openai_keys(start):
    """policies/several-keys.yml; its callers show `team-token`."""
    return start("several-keys.yml", THREE_KEYS)


PAIR_SECRETS = {
    "openai": {"api-key": "sk-proj-test-pair"},
    "anthropic": {"api-key": "sk-ant-test-pair"},
    "reserve": {"api-key": "reserve-key"},
}


@pytest.fixture
def openai_pair(start):
    """OpenAI, then a second provider with the same API."""
    return start("openai-pair.yml", PAIR_SECRETS)


@pytest.fixture
def anthropic_pair(start):
    """Anthropic, then a second provider with the same API."""
    return start("anthropic-pair.yml", PAIR_SECRETS)

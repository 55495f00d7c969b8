# Every command of a developer. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup lint test demo bench bench-peers soak fuzz chaos advisories docs fmt

# rustup puts cargo here; a fresh shell may not have it on its PATH yet.
# What `make` installs for itself stays in .cache.
export PATH := $(CURDIR)/.cache/tools/bin:$(HOME)/.cargo/bin:$(PATH)

XTASK := cargo run --quiet -p xtask --
FUZZ_SECONDS ?= 60
BENCH_ARGS ?=
CHAOS_ARGS ?=
SOAK_MINUTES ?= 10
SOAK_ARGS ?=

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install, or name, what building and testing need (cc, cmake, venv, node)
	@xtask/setup.sh build test

demo: ## Build, and run the main job on embedded mock providers: no key, no network
	@xtask/setup.sh build
	cargo build -p tollgate
	target/debug/tollgate demo --once

test: ## Everything the tests need, then all tests
	@xtask/setup.sh build test
	@$(XTASK) test

lint: ## Formatting, clippy, documentation, licences, structure
	@xtask/setup.sh build lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p tollgate-waf -p tollgate-edge -p tollgate-observe --all-targets --features linked,waf,otel --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
	@$(XTASK) structure
	cargo deny --log-level error check licenses bans sources

bench: ## nginx and Tollgate in turn against one local upstream; BENCH_ARGS="--json FILE"
	@xtask/setup.sh build bench
	cargo build --release --locked -p tollgate -p xtask
	target/release/xtask bench $(BENCH_ARGS)

bench-peers: ## The same beside LiteLLM and Portkey, about twelve minutes; BENCH_ARGS="--docs" writes docs/performance
	@xtask/setup.sh build bench peers
	cargo build --release --locked -p tollgate -p xtask
	ulimit -n "$$(ulimit -Hn)" && target/release/xtask bench-peers $(BENCH_ARGS)

soak: ## Mixed traffic for SOAK_MINUTES (10); fails when memory, descriptors or latency rise; SOAK_ARGS="--docs"
	@xtask/setup.sh build
	cargo build --release --locked -p tollgate -p xtask
	ulimit -n "$$(ulimit -Hn)" && target/release/xtask soak --minutes $(SOAK_MINUTES) $(SOAK_ARGS)

fuzz: ## Each fuzz target for FUZZ_SECONDS (60)
	@xtask/setup.sh build fuzz
	@$(XTASK) fuzz --seconds $(FUZZ_SECONDS)

chaos: ## 20,000 requests over providers that do everything wrong; CHAOS_ARGS="--seed 1 --requests 20000"
	@xtask/setup.sh build
	cargo build --locked -p tollgate -p xtask --bins
	target/debug/xtask chaos $(CHAOS_ARGS)

advisories: ## Known vulnerabilities of dependencies (fetches the RustSec database)
	@xtask/setup.sh build lint
	@xtask/advisories.sh

docs: ## Write the generated pages of docs/ anew (actions, expressions, JSON Schema)
	TOLLGATE_UPDATE_DOCS=1 cargo test --quiet -p tollgate-expr tests::reference
	TOLLGATE_UPDATE_DOCS=1 cargo test --quiet -p tollgate-edge actions::tests

fmt: ## Format the code
	cargo fmt --all

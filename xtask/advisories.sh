#!/usr/bin/env bash
# Known vulnerabilities of the dependencies, by cargo-deny from the RustSec database, which is what `cargo audit` reads
# as well. A finding ends with 1. Where the database can neither be fetched nor is there from before, that is said:
# with 1 for whoever asked, with 0 for continuous integration (--if-possible), which may have no way out.
set -euo pipefail
cd "$(dirname "$0")/.."
# Where `make lint` puts it.
export PATH="$PWD/.cache/tools/bin:$PATH"
if ! command -v cargo-deny >/dev/null; then
  echo "advisories: cargo-deny is missing; xtask/setup.sh lint builds it" >&2
  exit 1
fi

known=("${CARGO_HOME:-$HOME/.cargo}"/advisory-dbs/advisory-db-*/crates)
if timeout 120 cargo deny --log-level off fetch db >/dev/null 2>&1; then
  echo "advisories: the RustSec database is of today"
  exec cargo deny --log-level error check advisories
elif [ -d "${known[0]}" ]; then
  written=$(git -C "${known[0]}" log -1 --format=%cs 2>/dev/null || echo unknown)
  echo "advisories: the RustSec database could not be fetched; checking with that of $written"
  exec cargo deny --log-level error --offline check advisories
fi
echo "advisories: NOT CHECKED: https://github.com/RustSec/advisory-db cannot be fetched from here, and there is no copy of it" >&2
[ "${1:-}" = --if-possible ]

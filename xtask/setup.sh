#!/usr/bin/env bash
# Sees that the tools for the purposes named (build, test, lint, bench, peers, fuzz, waf) are there. As root on a Debian it
# installs what is missing; otherwise it names each missing tool in one line and ends with 1. It is a shell script
# because nothing can be compiled before it has run.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
deny_version=0.20.2

missing=()  # packages apt-get can install
hopeless=() # lines about what it cannot

have() { command -v "$1" >/dev/null 2>&1; }
need() { have "$1" || missing+=("${@:2}"); }

need_build() {
  have cargo || hopeless+=("cargo is missing: install Rust as https://rustup.rs says")
  need cc gcc libc6-dev
  need c++ g++
  need cmake cmake
  need make make
}

# The firewall's library and rules (docs/waf.md). Whether the library can be linked is tried: it has no program.
need_waf() {
  echo 'int main(void) { return 0; }' | cc -x c - -lmodsecurity -o /dev/null 2>/dev/null ||
    missing+=(libmodsecurity-dev)
  [ -d "${TOLLGATE_CRS_RULES:-/usr/share/modsecurity-crs/rules}" ] || missing+=(modsecurity-crs)
}

need_python() {
  if ! have python3; then
    missing+=(python3 python3-venv)
  elif ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    hopeless+=("Python 3.11 or newer is needed; python3 is $(python3 --version 2>&1)")
  elif ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    missing+=(python3-venv)
  fi
}

need_node() {
  if ! have node; then
    missing+=(nodejs npm)
  else
    # What the pinned SDKs ask for.
    node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' ||
      hopeless+=("Node 20 or newer is needed; node is $(node --version)")
    need npm npm
  fi
}

need_test() {
  need_waf
  # Stands before the gateway in the tests of request smuggling.
  need_bench
  # Counts instructions; see docs/performance.md.
  need valgrind valgrind
  need_python
  need_node
  # A browser for the tests of logins.
  have chromium || have chromium-browser || have google-chrome || [ -x "${CHROMIUM_BIN:-}" ] || missing+=(chromium)
}

need_lint() {
  local component
  for component in rustfmt clippy; do
    local tool="cargo-${component/rustfmt/fmt}"
    have "$tool" && "$tool" --version >/dev/null 2>&1 && continue
    if have rustup && rustup component add "$component"; then
      continue
    fi
    hopeless+=("$component is missing: rustup component add $component")
  done
}

# Built once into .cache/tools; takes about three minutes on two cores.
need_deny() {
  have cargo-deny && return
  echo "setup: building cargo-deny $deny_version into .cache/tools"
  cargo install cargo-deny --version "$deny_version" --locked --quiet --root "$here/.cache/tools"
}

need_bench() { have nginx || [ -x /usr/sbin/nginx ] || missing+=(nginx-light); }

# The other gateways, which `make bench-peers` installs into .cache/peers.
need_peers() {
  need_python
  need_node
}

need_fuzz() { :; }

for purpose in "$@"; do
  "need_$purpose"
done

if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && have apt-get; then
  echo "setup: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  if apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
    missing=()
  fi
fi
for package in ${missing[@]+"${missing[@]}"}; do
  echo "setup: $package is missing; install it with: sudo apt-get install $package" >&2
done
for line in ${hopeless[@]+"${hopeless[@]}"}; do
  echo "setup: $line" >&2
done
if [ ${#missing[@]} -gt 0 ] || [ ${#hopeless[@]} -gt 0 ]; then
  exit 1
fi

# Needs the tools above.
case " $* " in
*" lint "*) need_deny ;;
esac

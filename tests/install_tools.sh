#!/usr/bin/env bash
# Install what the tests need beyond Python: Chromium (Debian's), wrk, PostgreSQL, and Microsoft's KQL parser (npm).
# With CI=true what cannot be installed is an error; elsewhere the tests that need it are skipped by name.
set -uo pipefail
cd "$(dirname "$0")/.."
missing=()
have() { command -v "$1" >/dev/null 2>&1; }

packages=()
have chromium || packages+=(chromium)
have wrk || packages+=(wrk)
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || packages+=(postgresql)
if [ ${#packages[@]} -gt 0 ] && have apt-get && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
have chromium || missing+=("chromium")

if have npm; then
  [ -d tests/node_modules/@kusto ] || (cd tests && npm ci --silent --no-audit --no-fund)
  [ -d tests/e2e/node_modules/axe-core ] || (cd tests/e2e && npm ci --silent --no-audit --no-fund)
fi
[ -d tests/e2e/node_modules/axe-core ] || missing+=("axe-core (npm ci in tests/e2e)")
[ -d tests/node_modules/@kusto ] || missing+=("Microsoft's KQL parser (npm ci in tests/)")

if [ ${#missing[@]} -gt 0 ]; then
  printf 'Not installed: %s\n' "${missing[@]}"
  [ "${CI:-}" = true ] && exit 1
fi
exit 0

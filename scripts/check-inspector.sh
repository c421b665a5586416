#!/bin/sh
# Tests the inspector page in a real browser (Debian's chromium), against servers that the tests start.
# Pictures of each test's end are left in .build/inspector/screenshots.
#
#   scripts/check-inspector.sh [PATTERN…]     only tests whose names match: scripts/check-inspector.sh Branches
set -eu
cd "$(dirname "$0")/.."

environment=.build/inspector/environment
scripts/install-dependencies.sh python3-venv curl chromium chromium-driver
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps \
  --requirement Tests/Inspector/requirements.txt
if [ -z "${NTM_EXECUTABLE:-}" ]; then
  make build
  # shellcheck disable=SC2086  # the words of the flags
  NTM_EXECUTABLE=$(swift build -c release ${SWIFT_FLAGS:-} --show-bin-path)/ntm
fi
export NTM_EXECUTABLE
# Selenium would else ask the network for a driver, and tell its makers of it.
export SE_OFFLINE=true SE_AVOID_STATS=true
patterns=''
for pattern in "$@"; do patterns="$patterns -k $pattern"; done
# shellcheck disable=SC2086  # the words
exec "$environment/bin/python" -B -m unittest discover --verbose --start-directory Tests/Inspector $patterns

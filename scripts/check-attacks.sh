#!/bin/sh
# Attacks a server and checks the bounds of its memory and disk. Then lifts one limit at a time and
# checks that each lifted limit is found.
#
#   scripts/check-attacks.sh [--seconds 60]
set -eu
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh python3
if [ -z "${NTM_EXECUTABLE:-}" ]; then
  make build
  # shellcheck disable=SC2086  # the words of the flags
  NTM_EXECUTABLE=$(swift build -c release ${SWIFT_FLAGS:-} --show-bin-path)/ntm
fi
export NTM_EXECUTABLE

python3 -B Tests/Attacks/stress_test.py "$@"
for mutant in BODY_MEMORY BODY_DISK; do
  python3 -B Tests/Attacks/stress_test.py --mutant "$mutant"
done

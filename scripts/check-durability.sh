#!/bin/sh
# Kills servers while clients step sessions, breaks their disks, and looks for what was lost.
#
#   scripts/check-durability.sh           a few kills with each durability, then all faults
#   scripts/check-durability.sh --long    200 kills with always and with everysec, no faults
set -eu
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh python3 gcc
if [ -z "${NTM_EXECUTABLE:-}" ]; then
  make build
  # shellcheck disable=SC2086  # the words of the flags
  NTM_EXECUTABLE=$(swift build -c release ${SWIFT_FLAGS:-} --show-bin-path)/ntm
fi
export NTM_EXECUTABLE

crash() {
  echo "--durability $*"
  python3 -B Tests/Durability/crash_test.py --durability "$@"
}

# With room in memory for some of the sessions only.
if [ "${1:-}" = --long ]; then
  crash always --kills 200 --room 12
  crash everysec --kills 200 --room 12
  exit
fi
crash always --kills 12 --room 12 --seed 1
crash everysec --kills 12 --room 12 --seed 2
crash none --kills 5 --seed 3
exec python3 -B -m unittest discover --verbose --start-directory Tests/Durability --pattern 'faults*_test.py'

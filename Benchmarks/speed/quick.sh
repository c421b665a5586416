#!/bin/sh
# Compares the speed of this checkout with the speed of another revision in one run. It fails if this
# checkout is more than 3 % slower.
#
#   Benchmarks/speed/quick.sh REVISION
set -eu
cd "$(dirname "$0")/../.."

[ $# -eq 1 ] || { echo 'usage: quick.sh REVISION, as in: make bench-quick BASE=main' >&2; exit 2; }
revision=$(git rev-parse --verify --short=12 "$1^{commit}")
base=.build/bench/base-$revision
scripts/install-dependencies.sh wrk python3-numpy
# Kept for the next time.
[ -d "$base" ] || { git worktree prune; git worktree add --quiet --detach "$base" "$revision"; }

# build FOLDER: its programs, the second only where that revision has it.
build() {
  swift build --package-path "$1" -c release --static-swift-stdlib --product ntm
  if grep -q '"ntm-steps"' "$1/Package.swift"; then
    swift build --package-path "$1" -c release --static-swift-stdlib --product ntm-steps
  fi
}
build "$base"
build .
exec Benchmarks/speed/quick.py --base "$base/.build/release" --this .build/release

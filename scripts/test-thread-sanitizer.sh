#!/bin/sh
# Runs the tests of concurrent use, and those of sessions that come and go with a store, under
# ThreadSanitizer, which turns a data race into a failure. They have a build directory of their own:
# every module is compiled with the sanitizer.
set -eu
cd "$(dirname "$0")/.."

suites='Concurrency FailingStoreTests MovingTests RestartTests'

log=$(mktemp)
failed=$log.failed
trap 'rm -f "$log" "$failed"' EXIT
{
  swift test --disable-xctest --sanitize=thread --scratch-path .build-tsan \
    --filter "$(echo "$suites" | tr ' ' '|')" 2>&1 || touch "$failed"
} | tee "$log"
[ ! -e "$failed" ]

# A filter that matches nothing passes, so a renamed suite would go unnoticed.
for suite in $suites; do
  if ! grep -q "Suite .*$suite.* passed" "$log"; then
    echo "No suite has '$suite' in its name." >&2
    exit 1
  fi
done

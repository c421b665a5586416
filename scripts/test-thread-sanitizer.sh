#!/bin/sh
# Runs the tests of concurrent use under ThreadSanitizer, which turns a data race into a failure.
# They have a build directory of their own: every module is compiled with the sanitizer.
set -eu
cd "$(dirname "$0")/.."

log=$(mktemp)
failed=$log.failed
trap 'rm -f "$log" "$failed"' EXIT
{
  swift test --disable-xctest --sanitize=thread --scratch-path .build-tsan --filter Concurrency \
    2>&1 || touch "$failed"
} | tee "$log"
[ ! -e "$failed" ]

# A filter that matches nothing passes, so a renamed suite would go unnoticed.
if grep -q 'Test run with 0 tests' "$log"; then
  echo "No test has 'Concurrency' in its name." >&2
  exit 1
fi

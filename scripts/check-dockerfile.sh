#!/bin/sh
# Checks in a second what building the image would tell in minutes, and where there is no Docker: that
# the files which the Dockerfile copies are in its context, and are a whole package.
set -eu
cd "$(dirname "$0")/.."

package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT

# What stands before the last word of each line that copies from the context.
sed -n '/--from/d; s/^COPY \(.*\) [^ ]*$/\1/p' Dockerfile | while read -r file; do
  if ! sed -n 's/^!//p' .dockerignore | grep -qFx "$file" && [ "$file" != 'Package.*' ]; then
    echo "The Dockerfile copies $file, which .dockerignore keeps out." >&2
    exit 1
  fi
  # shellcheck disable=SC2086  # Package.* is a pattern
  cp -r --parents $file "$package"
done
swift package --package-path "$package" describe >"$package/description" ||
  { echo 'The Dockerfile copies too little of the package.' >&2; exit 1; }

#!/bin/sh
# Installs what is compared: Debian's PyTorch, and the rest of requirements.txt in a virtual
# environment, which is made anew when that file has changed. Says where its Python is.
set -eu
cd "$(dirname "$0")/../.."

environment=.build/bench/python
if ! /usr/bin/python3 -c 'import torch, venv, ensurepip' 2>/dev/null; then
  scripts/install-dependencies.sh python3-torch python3-venv >&2
fi
scripts/install-dependencies.sh wrk >&2
if ! cmp -s Benchmarks/speed/requirements.txt "$environment/requirements.txt"; then
  rm -rf "$environment"
  /usr/bin/python3 -m venv --system-site-packages "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check \
    -r Benchmarks/speed/requirements.txt >&2
  cp Benchmarks/speed/requirements.txt "$environment"
fi
echo "$PWD/$environment/bin/python"

#!/bin/sh
# Runs the tests that use other people's clients (NVIDIA's, Prometheus' parser), and the examples in
# Python, against a running server.
# The clients come from PyPI into a virtual environment under .build.
#
#   scripts/check-clients.sh [URL]
set -eu
cd "$(dirname "$0")/.."

NTM_URL=${1:-http://127.0.0.1:8080}
export NTM_URL
environment=.build/clients

scripts/install-dependencies.sh python3-venv
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check \
  --requirement Tests/Clients/requirements.txt
"$environment/bin/python" -B Tests/Clients/inference_protocol.py
"$environment/bin/python" -B Tests/Clients/metrics.py "$NTM_URL"
"$environment/bin/python" -B examples/copy_requests.py --seed 5 --length 20
"$environment/bin/python" -B examples/copy_triton.py --seed 6 --length 20

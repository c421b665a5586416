#!/bin/sh
# Reads /metrics of a running server with Prometheus' own parser and checks what it finds.
#
#   scripts/check-metrics.sh http://127.0.0.1:8080
#
# Needs Python 3 with venv, and PyPI for prometheus_client, which goes into a folder that is removed.
set -eu
cd "$(dirname "$0")/.."

[ $# -eq 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'prometheus_client>=0.20,<1'
"$folder/venv/bin/python" Tests/Clients/metrics.py "$1"

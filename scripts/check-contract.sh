#!/usr/bin/env bash
# Holds the server to openapi.yaml: that the document is valid, that openapi.json is made of it, and
# that a server which is asked what it says, and what it does not say, answers as it says.
# schemathesis makes up the requests: from the examples, at the bounds of each schema, at random, and
# in sequences that make, step, fork and delete sessions.
#
#   scripts/check-contract.sh [--long] [--seed N] [--url URL]
#   scripts/check-contract.sh --make     makes openapi.json, and no more
#
# --long takes a quarter of an hour and another seed each time; otherwise it is two minutes and the
# same requests. --url asks a server that runs, in place of one that is started for it: which has to
# have the options that stand below.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/server.sh
. scripts/server.sh

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

seed=1
# Seconds for everything, and for the models where requests may change them.
seconds=75
admin_seconds=20
running=''
is_made=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      sed -n '2,/^set/{s/^# \{0,1\}//p}' "$0"
      exit
      ;;
    --long)
      seconds=800
      admin_seconds=100
      seed=$RANDOM
      shift
      continue
      ;;
    --make)
      is_made=yes
      shift
      continue
      ;;
    --seed | --url) [ $# -ge 2 ] || die "$1 needs a value" ;;
    *) die "unknown option '$1' (--help lists them)" ;;
  esac
  case $1 in
    --seed) seed=$2 ;;
    --url) running=${2%/} ;;
  esac
  shift 2
done

# The tools, where they are not there yet.
tools=.venv/contract
if ! cmp -s Tests/Contract/requirements.txt "$tools/requirements.txt"; then
  scripts/install-dependencies.sh python3-venv
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check -r Tests/Contract/requirements.txt
  cp Tests/Contract/requirements.txt "$tools"
fi

"$tools/bin/openapi-spec-validator" openapi.yaml
if [ -n "$is_made" ]; then exec "$tools/bin/python" Tests/Contract/make-json.py; fi
"$tools/bin/python" Tests/Contract/make-json.py --check

# ask SECONDS [OPTIONS]: has schemathesis ask the server at $url.
ask() {
  local limit=$1
  shift
  NTM_URL=$url PYTHONPATH=Tests/Contract SCHEMATHESIS_HOOKS=hooks \
    "$tools/bin/schemathesis" --config-file Tests/Contract/schemathesis.toml run openapi.yaml \
    --url "$url" --seed "$seed" --max-time "$limit" --generation-database none "$@"
}

echo "The seed is $seed."
if [ -n "$running" ]; then
  url=$running
  ask "$seconds"
  exit
fi

start_server --default-model copy --max-keep-alive never
ask "$seconds"
stop_server

# With another server, because the first one's tests need the models that there are.
start_server --allow-model-admin
ask "$admin_seconds" --include-path-regex '^/models'
stop_server

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
# seed 1. --url asks a server that runs, in place of one that is started for it; it has to have the
# options that stand at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/server.sh
. scripts/server.sh

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

seed=1
# Seconds of what has no end: requests at random, and sequences of them.
seconds=50
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
tools=.build/contract
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

# ask [OPTIONS]: has schemathesis ask the server at $url.
ask() {
  NTM_URL=$url PYTHONPATH=Tests/Contract PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=hooks \
    "$tools/bin/schemathesis" --config-file Tests/Contract/schemathesis.toml run openapi.yaml \
    --url "$url" --seed "$seed" --generation-database none "$@"
}

ask_all() {
  ask --phases examples,coverage
  ask --phases fuzzing,stateful --max-time "$seconds"
}

echo "The seed is $seed."
if [ -n "$running" ]; then
  url=$running
  ask_all
  exit
fi

# So that a session needs no name of a model, and no keep_alive is too long.
start_server --default-model copy --max-keep-alive never
ask_all
stop_server

# Another server, because the first one's sessions need the models that there are.
start_server --allow-model-admin
ask --phases examples,coverage --include-path-regex '^/models'
stop_server

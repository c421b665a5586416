#!/bin/sh
# Runs the example of examples/prometheus with Prometheus itself: its checks of both files, the
# examples of each alert, and a Prometheus with them that collects from a running server.
#
#   scripts/check-prometheus.sh [URL]
set -eu
cd "$(dirname "$0")/.."

url=${1:-http://127.0.0.1:8080}
tools=.build/prometheus

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

# Debian's package would start a service of its own: the programs are taken out of it instead.
if ! [ -x "$tools/usr/bin/promtool" ]; then
  scripts/install-dependencies.sh curl
  rm -rf "$tools"
  mkdir -p "$tools"
  download() { (cd "$tools" && apt-get download -qq prometheus 2>/dev/null); }
  # The lists of a fresh machine are empty.
  if ! download; then
    as_root=''
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    $as_root apt-get update -qq
    download || die 'There is no package prometheus here; Debian and Ubuntu have one.'
  fi
  dpkg -x "$tools"/prometheus_*.deb "$tools"
fi
PATH=$PWD/$tools/usr/bin:$PATH

cd examples/prometheus
promtool check config prometheus.yml
promtool test rules alerts.test.yml

# A copy of the configuration that names this server and is in more of a hurry.
folder=$(mktemp -d)
prometheus=''
clean() {
  if [ -n "$prometheus" ]; then
    kill "$prometheus"
    wait "$prometheus" || true
  fi
  rm -rf "$folder"
}
trap clean EXIT
cp alerts.yml "$folder"
sed -e "s/127\.0\.0\.1:8080/${url#*://}/" -e 's/_interval: 15s/_interval: 1s/' prometheus.yml \
  >"$folder/prometheus.yml"
grep -q "${url#*://}" "$folder/prometheus.yml"

# It has no port that it finds itself.
port=$(($(od -An -N2 -tu2 /dev/urandom) % 10000 + 20000))
prometheus --config.file "$folder/prometheus.yml" --storage.tsdb.path "$folder/data" \
  --web.listen-address "127.0.0.1:$port" >"$folder/log" 2>&1 &
prometheus=$!

# ask QUERY: the value of the one sample that it gives.
ask() {
  curl -fsS --get "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1" \
    | sed -n 's/.*"value":\[[^,]*,"\([^"]*\)"\].*/\1/p'
}

steps='sum(ntm_steps_total{job="ntm"})'
for _ in $(seq 60); do
  if before=$(ask "$steps" 2>/dev/null) && [ -n "$before" ]; then break; fi
  kill -0 "$prometheus" || die 'Prometheus has ended:' "$(cat "$folder/log")"
  sleep 0.5
done
[ -n "${before:-}" ] || die 'Prometheus has collected nothing:' "$(tail -5 "$folder/log")"

# What happens from here on is seen.
cd ../..
examples/copy.sh --url "$url" --seed 7 --length 10 >/dev/null
for _ in $(seq 20); do
  after=$(ask "$steps")
  [ "$((after - before))" -ge 21 ] && break
  sleep 0.5
done
[ "$((after - before))" -ge 21 ] || die "Of 21 steps Prometheus has seen $((after - before))."
[ "$(ask 'up{job="ntm"}')" = 1 ]
[ -z "$(ask 'ALERTS{alertstate="firing"}')" ] || die 'An alert fires on a server that is well.'
curl -fsS "http://127.0.0.1:$port/api/v1/rules" | grep -q NTMDown \
  || die 'Prometheus has not read the alerts.'
echo "Prometheus collects from $url: $after steps so far"

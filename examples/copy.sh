#!/bin/sh
# Sends a random sequence of 8-bit vectors to the copy model, one request per step, and prints what
# comes back from its memory. Ends with 1 if a bit differs.
#
#   examples/copy.sh [--length 12] [--seed N] [--session ID] [--url http://127.0.0.1:8080]
#
# --session takes a session that there is, and leaves it: another terminal may watch it (watch.sh).
# NTM_URL sets the default of --url. Needs nothing but curl.
set -eu

# shellcheck source=examples/lib.sh
. "$(dirname "$0")/lib.sh"
length=12
seed=''
session=''
bits=8

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) help ;;
    --length | --seed | --session | --url) [ $# -ge 2 ] || die "$1 needs a value" ;;
    *) die "unknown option '$1' (--help lists them)" ;;
  esac
  case $1 in
    --length) length=$2 ;;
    --seed) seed=$2 ;;
    --session) session=$2 ;;
    --url) url=$2 ;;
  esac
  shift 2
done
url=${url%/}
[ -n "$seed" ] || seed=$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')
case $length in '' | 0* | *[!0-9]*) die "--length '$length' is not a number above 0" ;; esac
case $seed in '' | *[!0-9]*) die "--seed '$seed' is not a whole number" ;; esac

# step BITS: one step of the session, its output as bits.
step() {
  answer=$(curl -sS --fail-with-body -H 'Accept: text/csv' -d "{\"input\": $(vector "$1")}" \
    "$url/sessions/$session/step" 2>&1) || die "the step was refused: $answer"
  printf '%s\n' "$answer" | rounded
}

if [ -z "$session" ]; then
  session=$(new_session copy)
  trap 'curl -s -o /dev/null -X DELETE "$url/sessions/$session" || true' EXIT
  trap 'exit 130' INT TERM
fi
echo "copy: $length vectors of $bits bits, seed $seed, session $session"

sent=$(random_bits "$seed" "$length" "$bits")
[ "$(printf '%s\n' "$sent" | wc -l)" -eq "$length" ] || die 'awk made no random bits'
number=0
for vector in $sent; do
  number=$((number + 1))
  step "${vector}0" >/dev/null
  printf 'step %3d  sent      %s\n' "$number" "$vector"
done

zeros=$(printf '%0*d' "$bits" 0)
number=$((number + 1))
step "${zeros}1" >/dev/null
printf 'step %3d  delimiter\n' "$number"

differing=0
for vector in $sent; do
  number=$((number + 1))
  returned=$(step "${zeros}0")
  count=$(differences "$vector" "$returned")
  differing=$((differing + count))
  note=''
  [ "$count" -eq 0 ] || note="  was $vector"
  printf 'step %3d  returned  %s%s\n' "$number" "$returned" "$note"
done

echo "$differing of $((length * bits)) bits differ"
[ "$differing" -eq 0 ]

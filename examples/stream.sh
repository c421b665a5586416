#!/bin/sh
# Streams the inputs of a file through a session, one on each line, and prints the output of each
# step as soon as it is there. Without a file, a random sequence for the copy model: ends with 1 if a
# bit of the copy differs.
#
#   examples/stream.sh [--model copy] [--length 20] [--seed N] [--url http://127.0.0.1:8080] [FILE]
#
# FILE is NDJSON: an input, such as [1,0,1,0,0,1,1,0,0], on each line. NTM_URL sets the default of
# --url. Needs nothing but curl.
set -eu

# shellcheck source=examples/lib.sh
. "$(dirname "$0")/lib.sh"
model=copy
length=20
seed=1
file=''
bits=8

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) help ;;
    --model | --length | --seed | --url) [ $# -ge 2 ] || die "$1 needs a value" ;;
    -*) die "unknown option '$1' (--help lists them)" ;;
  esac
  case $1 in
    --model) model=$2 ;;
    --length) length=$2 ;;
    --seed) seed=$2 ;;
    --url) url=$2 ;;
    *) file=$1; shift; continue ;;
  esac
  shift 2
done
url=${url%/}
[ -z "$file" ] || [ -r "$file" ] || die "$file can't be read"

folder=$(mktemp -d)
session=''
trap 'rm -r "$folder"; [ -z "$session" ] || curl -s -o /dev/null -X DELETE "$url/sessions/$session"' EXIT
trap 'exit 130' INT TERM

inputs=$file
if [ -z "$file" ]; then
  inputs=$folder/inputs.ndjson
  zeros=$(printf '%0*d' "$bits" 0)
  random_bits "$seed" "$length" "$bits" >"$folder/sent"
  {
    sed 's/$/0/' "$folder/sent"
    echo "${zeros}1"
    sed "s/.*/${zeros}0/" "$folder/sent"
  } | while read -r word; do vector "$word"; echo; done >"$inputs"
fi

session=$(new_session "$model")
echo "$(wc -l <"$inputs" | tr -d ' ') inputs through session $session"

# CSV has the outputs alone. -N prints what comes at once. An error in the middle ends the reply in
# the middle: curl exits with 18, and the last line says what was wrong.
if ! { curl -sS -N --fail-with-body --data-binary @"$inputs" -H 'Content-Type: application/x-ndjson' \
  -H 'Accept: text/csv' "$url/sessions/$session/step" || touch "$folder/failed"; } |
  tee "$folder/outputs" || [ -e "$folder/failed" ]; then
  die "the stream ended early"
fi

[ -z "$file" ] || exit 0
tail -n "$length" "$folder/outputs" | rounded >"$folder/returned"
differing=$(differences "$(tr -d '\n' <"$folder/sent")" "$(tr -d '\n' <"$folder/returned")")
echo "$differing of $((length * bits)) bits differ"
[ "$differing" -eq 0 ]

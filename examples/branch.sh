#!/bin/sh
# Branches a session in the middle of a sequence and compares the two futures: both copies of the
# session have the same first vectors in their memory, and go on with others. Ends with 1 if either
# does not give back just what it was given.
#
#   examples/branch.sh [--seed N] [--url http://127.0.0.1:8080]
#
# NTM_URL sets the default of --url. Needs nothing but curl.
set -eu

# shellcheck source=examples/lib.sh
. "$(dirname "$0")/lib.sh"
seed=1
bits=8

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) help ;;
    --seed | --url) [ $# -ge 2 ] || die "$1 needs a value" ;;
    *) die "unknown option '$1' (--help lists them)" ;;
  esac
  case $1 in
    --seed) seed=$2 ;;
    --url) url=$2 ;;
  esac
  shift 2
done
url=${url%/}

one=''
other=''
finish() {
  for id in $one $other; do curl -s -o /dev/null -X DELETE "$url/sessions/$id"; done
}
trap finish EXIT
trap 'exit 130' INT TERM

# steps SESSION WORD...: takes a step with each word; prints the outputs as words of bits.
steps() {
  to=$1
  shift
  list=''
  for word; do list="$list${list:+, }$(vector "$word")"; done
  answer=$(curl -sS --fail-with-body -H 'Accept: text/csv' -d "{\"inputs\": [$list]}" \
    "$url/sessions/$to/step" 2>&1) || die "the steps were refused: $answer"
  printf '%s\n' "$answer" | rounded
}

common=$(random_bits "$seed" 4 "$bits")
ours=$(random_bits "$((seed + 1))" 3 "$bits")
theirs=$(random_bits "$((seed + 2))" 3 "$bits")
zeros=$(printf '%0*d' "$bits" 0)
delimiter=${zeros}1
blank="${zeros}0 ${zeros}0 ${zeros}0 ${zeros}0 ${zeros}0 ${zeros}0 ${zeros}0"

# undelimited LINES: each with the delimiter's channel, which is 0 for a vector.
undelimited() { printf '%s' "$1" | sed 's/$/0/'; }

one=$(new_session copy)
# shellcheck disable=SC2046  # words
steps "$one" $(undelimited "$common") >/dev/null
made=$(request POST "/sessions/$one/fork") || exit
other=$(printf '%s' "$made" | session_of)
echo "after 4 vectors, session $one is forked as $other"

# shellcheck disable=SC2046,SC2086  # words
{
  steps "$one" $(undelimited "$ours") "$delimiter" >/dev/null
  steps "$other" $(undelimited "$theirs") "$delimiter" >/dev/null
  first=$(steps "$one" $blank)
  second=$(steps "$other" $blank)
}

# beside A B: the lines of two texts in columns, with what is in common.
echo 'given to one   returned    given to other  returned'
differing=0
for row in 1 2 3 4 5 6 7; do
  line() { printf '%s\n' "$1" | sed -n "${row}p"; }
  given=$(line "$common
$ours")
  given_other=$(line "$common
$theirs")
  returned=$(line "$first")
  returned_other=$(line "$second")
  printf '%s       %s    %s        %s\n' "$given" "$returned" "$given_other" "$returned_other"
  differing=$((differing + $(differences "$given$given_other" "$returned$returned_other")))
done
echo "$differing of $((2 * 7 * bits)) bits differ"
[ "$differing" -eq 0 ]

#!/bin/sh
# Sends a random sequence of 8-bit vectors to the copy model, one request per step, and prints what
# comes back from its memory. Ends with 1 if a bit differs.
#
#   examples/copy.sh [--length 12] [--seed N] [--url http://127.0.0.1:8080]
#
# NTM_URL sets the default of --url. Needs curl; uses jq where it is there.
set -eu

url=${NTM_URL:-http://127.0.0.1:8080}
length=12
seed=''
bits=8

die() {
  printf 'copy.sh: %s\n' "$*" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set/{ /^#/s/^# \{0,1\}//p; }' "$0"; exit 0 ;;
    --length | --seed | --url) [ $# -ge 2 ] || die "$1 needs a value" ;;
    *) die "unknown option '$1' (--help lists them)" ;;
  esac
  case $1 in
    --length) length=$2 ;;
    --seed) seed=$2 ;;
    --url) url=$2 ;;
  esac
  shift 2
done
url=${url%/}
[ -n "$seed" ] || seed=$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')
case $length in '' | 0* | *[!0-9]*) die "--length '$length' is not a number above 0" ;; esac
case $seed in '' | *[!0-9]*) die "--seed '$seed' is not a whole number" ;; esac
command -v curl >/dev/null 2>&1 || die 'curl is needed (apt-get install curl)'

# request METHOD PATH [BODY]: prints the body of the answer, stops with its text if it is a refusal.
request() {
  if ! answer=$(curl -sS -w '\n%{http_code}' -X "$1" ${3+-d "$3"} "$url$2" 2>&1); then
    die "no answer from $url (${answer%%
*}). Is the server running? make run starts it."
  fi
  status=${answer##*
}
  answer=${answer%
*}
  case $status in
    2*) printf '%s\n' "$answer" ;;
    *) die "$1 $2 was refused with $status: $answer" ;;
  esac
}

if command -v jq >/dev/null 2>&1; then
  session_of() { jq -r .id; }
  bits_of() { jq -r '[.output[] | if . > 0.5 then "1" else "0" end] | join("")'; }
else
  session_of() { tr -d '\n' | sed 's/.*"id" *: *"\([^"]*\)".*/\1/'; }
  bits_of() {
    tr -d ' \n' | sed 's/.*"output":\[\([^]]*\)\].*/\1/' |
      awk -F, '{ for (i = 1; i <= NF; i++) printf "%d", ($i > 0.5); print "" }'
  }
fi

# Lines of random bits. Our own generator (Park and Miller's), because a seed gives other numbers
# with every awk.
random_sequence() {
  awk -v seed="$seed" -v length_="$length" -v bits="$bits" '
    function random() { state = state * 16807 % 2147483647; return state }
    BEGIN {
      state = seed % 2147483646 + 1
      for (i = 0; i < 10; i++) random()
      for (row = 0; row < length_; row++) {
        for (bit = 0; bit < bits; bit++) printf "%d", (random() > 1073741823)
        print ""
      }
    }'
}

# step CHANNELS: one step of the session, CHANNELS being the bits and then the delimiter.
step() {
  request POST "/sessions/$session/step" \
    "{\"input\": [$(printf '%s' "$1" | sed 's/./&, /g; s/, $//')]}"
}

# How many characters of two words of the same length differ.
differences() {
  awk -v a="$1" -v b="$2" 'BEGIN {
    n = length(a) > length(b) ? length(a) : length(b)
    for (i = 1; i <= n; i++) count += substr(a, i, 1) != substr(b, i, 1)
    print count + 0
  }'
}

session=$(request POST /sessions '{"model": "copy"}')
session=$(printf '%s' "$session" | session_of)
trap 'curl -s -o /dev/null -X DELETE "$url/sessions/$session" || true' EXIT
trap 'exit 130' INT TERM
echo "copy: $length vectors of $bits bits, seed $seed, session $session"

sent=$(random_sequence)
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
  answer=$(step "${zeros}0")
  returned=$(printf '%s' "$answer" | bits_of)
  count=$(differences "$vector" "$returned")
  differing=$((differing + count))
  note=''
  [ "$count" -eq 0 ] || note="  was $vector"
  printf 'step %3d  returned  %s%s\n' "$number" "$returned" "$note"
done

echo "$differing of $((length * bits)) bits differ"
[ "$differing" -eq 0 ]

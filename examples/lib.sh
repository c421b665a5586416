# shellcheck shell=sh
# What the examples share: options, requests and random bits. Sourced, not run.

url=${NTM_URL:-http://127.0.0.1:8080}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

# The comment at the begin of a script is its help.
help() {
  sed -n '2,/^set/{ /^#/s/^# \{0,1\}//p; }' "$0"
  exit 0
}

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

# The name of the session that an answer is about.
session_of() { tr -d '\n' | sed 's/.*"id" *: *"\([^"]*\)".*/\1/'; }

# new_session MODEL: prints its name. Lines of its own, so that a refusal ends the script.
new_session() {
  made=$(request POST /sessions "{\"model\": \"$1\"}") || exit
  printf '%s' "$made" | session_of
}

# rounded: lines of CSV become words of bits.
rounded() {
  awk -F, '{ for (i = 1; i <= NF; i++) printf "%d", ($i > 0.5); print ""; fflush() }'
}

# random_bits SEED ROWS COLUMNS: lines of bits. Our own generator (Park and Miller's), because a seed
# gives other numbers with every awk.
random_bits() {
  awk -v seed="$1" -v rows="$2" -v columns="$3" '
    function random() { state = state * 16807 % 2147483647; return state }
    BEGIN {
      state = seed % 2147483646 + 1
      for (i = 0; i < 10; i++) random()
      for (row = 0; row < rows; row++) {
        for (column = 0; column < columns; column++) printf "%d", (random() > 1073741823)
        print ""
      }
    }'
}

# vector BITS: as JSON.
vector() { printf '[%s]' "$(printf '%s' "$1" | sed 's/./&, /g; s/, $//')"; }

# differences A B: how many characters of two words differ.
differences() {
  awk -v a="$1" -v b="$2" 'BEGIN {
    n = length(a) > length(b) ? length(a) : length(b)
    for (i = 1; i <= n; i++) count += substr(a, i, 1) != substr(b, i, 1)
    print count + 0
  }'
}

command -v curl >/dev/null 2>&1 || die 'curl is needed (apt-get install curl)'

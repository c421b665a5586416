#!/bin/sh
# Watches a session, whoever steps it: a line for each step, with the output's bits and the row of
# memory that is read most. Ends when the session does.
#
#   examples/watch.sh [--model copy] [--session ID] [--url http://127.0.0.1:8080]
#
# Without --session it makes one and says how to step it from another terminal. NTM_URL sets the
# default of --url. Needs nothing but curl.
set -eu

# shellcheck source=examples/lib.sh
. "$(dirname "$0")/lib.sh"
model=copy
session=''

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) help ;;
    --model | --session | --url) [ $# -ge 2 ] || die "$1 needs a value" ;;
    *) die "unknown option '$1' (--help lists them)" ;;
  esac
  case $1 in
    --model) model=$2 ;;
    --session) session=$2 ;;
    --url) url=$2 ;;
  esac
  shift 2
done
url=${url%/}

if [ -z "$session" ]; then
  session=$(new_session "$model")
  echo "In another terminal: examples/copy.sh --session $session"
fi

# An event has a line with its name and one with its data.
curl -sS -N --fail-with-body "$url/sessions/$session/events?return=output,read_weightings" |
  awk -v session="$session" '
    # The numbers of the list that stands behind a name, as values[1] and so on.
    function values_of(name,  rest) {
      rest = $0
      if (!sub(".*\"" name "\": *\\[+", "", rest)) return 0
      sub("\\].*", "", rest)
      return split(rest, values, ",")
    }
    function field(name,  rest) {
      rest = $0
      return sub(".*\"" name "\": *\"?", "", rest) ? substr(rest, 1, match(rest, "[\",}]") - 1) : ""
    }
    /^event: / { event = substr($0, 8); next }
    /^data: / && event == "session" { print "watching " session " from step " field("step") }
    /^data: / && event == "step" {
      bits = ""
      count = values_of("output")
      for (i = 1; i <= count; i++) bits = bits (values[i] > 0.5)
      row = 0
      count = values_of("read_weightings")
      for (i = 2; i <= count; i++) if (values[i] + 0 > values[row + 1] + 0) row = i - 1
      printf "step %4d  output %s  reads row %3d by %.2f\n", field("step"), bits, row, values[row + 1]
    }
    /^data: / && event == "missed" { print "missed " field("missed") " events" }
    /^data: / && event == "reset" { print "back at the start" }
    /^data: / && event == "end" { print "the end: " field("reason") }
    # A refusal is an answer without events.
    /^\{/ { print; failed = 1 }
    { fflush() }
    END { exit failed }'

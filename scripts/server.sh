# Starts and stops the server as users get it, for scripts that source this.
# shellcheck shell=bash

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 10000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# start_server [OPTIONS]: builds it, and has it serve Models/ at $url until stop_server, or at the
# latest until the script ends.
start_server() {
  local port
  make build
  store=$(mktemp -d)
  port=$(free_port)
  # shellcheck disable=SC2034  # for who sources this
  url=http://127.0.0.1:$port
  # shellcheck disable=SC2086  # the words of the flags
  "$(swift build -c release ${SWIFT_FLAGS:-} --show-bin-path)/ntm" serve --models Models \
    --host 127.0.0.1 --port "$port" --store "sqlite:$store/sessions.sqlite" "$@" &
  server=$!
  # Where a step fails the server is still there; where none does it is not, which is no failure.
  # shellcheck disable=SC2064  # this server, now
  trap "kill $server 2>/dev/null || true; rm -rf '$store'" EXIT
  curl -fsS --retry 20 --retry-delay 1 --retry-connrefused --output /dev/null "$url/livez"
}

# Stops it as a supervisor does.
stop_server() {
  local code=0
  kill -TERM "$server"
  wait "$server" || code=$?
  trap - EXIT
  rm -rf "$store"
  if [ "$code" -ne 0 ]; then
    echo "The server exits with $code on SIGTERM." >&2
    return 1
  fi
}

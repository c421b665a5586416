#!/bin/sh
# Builds the Dockerfile's image and runs it, on a machine without Docker and without a registry.
#
#   sudo scripts/prove-image.sh                 build, report, start, probe, run an example, stop,
#                                               and see that another container goes on with a session
#   sudo scripts/prove-image.sh --build-only    build and report
#   sudo scripts/prove-image.sh --run-only      what follows, with the image of the last time
#   sudo scripts/prove-image.sh --clean         remove the cached base images
#
# buildah builds the Dockerfile as it stands, only with other base images than the official ones.
# They are made here once, and kept for the next run:
#   - runtime: debootstrap's smallest Debian, without documentation, as debian:bookworm-slim is;
#   - build: the same with the packages of the official Swift image. The Swift toolchain itself is
#     not copied: it is the one that `swift` on this machine belongs to, mounted read-only.
# Nothing of this touches the container storage of the machine: all of it is under PROOF_DIR.
#
# Needs root, buildah and debootstrap (apt-get install buildah debootstrap), curl, and Swift.
#
# Environment:
#   PROOF_DIR             where storage and logs are kept    (default /var/tmp/ntm-image-proof)
#   DEBIAN_MIRROR         where packages come from               (default debootstrap's own)
#   SWIFT_PACKAGE_MIRROR  a directory of git repositories, <owner>/<name>, that stands in for
#                         https://github.com/ where the build cannot reach it   (default: none)
#   PROOF_PORT            where the server listens meanwhile              (default 18080)
#   STORAGE_DRIVER        vfs where overlay mounts are not allowed        (default overlay)
#   BUILDAH_ISOLATION     buildah's own                                   (default chroot)
set -eu

PROOF_DIR=${PROOF_DIR:-/var/tmp/ntm-image-proof}
SUITE=bookworm
STORAGE_DRIVER=${STORAGE_DRIVER:-overlay}
export BUILDAH_ISOLATION="${BUILDAH_ISOLATION:-chroot}"

RUNTIME=localhost/ntm-proof-runtime:$SUITE
BUILD=localhost/ntm-proof-build:$SUITE
IMAGE=localhost/ntm:proof

cd "$(dirname "$0")/.."

say() { printf '== %s\n' "$*"; }
die() { printf 'prove-image: %s\n' "$*" >&2; exit 1; }
buildah() {
  command buildah --storage-driver "$STORAGE_DRIVER" \
    --root "$PROOF_DIR/storage" --runroot "$PROOF_DIR/run" "$@"
}
exists() { buildah inspect --type image "$1" >/dev/null 2>&1; }
megabytes() { du -sm --apparent-size "$1" | cut -f1; }

# Removes the working containers and the server, however the script ends.
container=''
server=''
clean_up() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
  if [ -n "$container" ]; then buildah rm "$container" >/dev/null 2>&1 || true; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The smallest Debian, without what debian:bookworm-slim leaves out as well.
make_runtime_base() {
  say "making $RUNTIME with debootstrap"
  container=$(buildah from scratch)
  root=$(buildah mount "$container")
  debootstrap --variant=minbase "$SUITE" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} \
    >"$PROOF_DIR/debootstrap.log" 2>&1 || die "debootstrap failed: $PROOF_DIR/debootstrap.log"
  for excluded in doc man info locale groff lintian linda; do
    echo "path-exclude /usr/share/$excluded/*"
  done >"$root/etc/dpkg/dpkg.cfg.d/slim"
  (cd "$root/usr/share" && rm -rf doc/* man/* info/* locale/* groff/* lintian/* linda/*)
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/*
  buildah umount "$container" >/dev/null
  buildah config --cmd /bin/bash "$container"
  buildah commit --quiet --rm "$container" "$RUNTIME" >/dev/null
  container=''
}

# What https://github.com/swiftlang/swift-docker installs for Debian 12, less the toolchain.
make_build_base() {
  say "making $BUILD with the packages of the official Swift image"
  container=$(buildah from --pull-never "$RUNTIME")
  buildah run "$container" -- sh -c '
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
      binutils gcc git libcurl4-openssl-dev libedit-dev libicu-dev libncurses-dev libpython3-dev \
      libsqlite3-dev libstdc++-12-dev libxml2-dev pkg-config tzdata uuid-dev \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*' \
    >"$PROOF_DIR/build-base.log" 2>&1 || die "installing failed: $PROOF_DIR/build-base.log"
  system_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  buildah config --env PATH="/toolchain/usr/bin:$system_path" "$container"
  if [ -n "${SWIFT_PACKAGE_MIRROR:-}" ]; then
    buildah run "$container" -- sh -c "
      git config --system url./swift-packages/.insteadOf https://github.com/
      git config --system safe.directory '*'"
  fi
  buildah commit --quiet --rm "$container" "$BUILD" >/dev/null
  container=''
}

# The words of one field of the image's configuration: its entry point, its health check.
configured() {
  buildah inspect --type image --format "{{.Docker.Config.$1}}" "$IMAGE" | tr -d '[]'
}

# The process in the container: the last descendant of `buildah run`.
descendant() {
  pid=$1
  while next=$(pgrep -P "$pid" | head -n 1) && [ -n "$next" ]; do pid=$next; done
  echo "$pid"
}

# Starts the image as `docker run` would with a volume, on a port of this machine that is free.
start_image() {
  container=$(buildah from --pull-never "$IMAGE")
  buildah config --env NTM_PORT="$port" "$container"

  say "starting: $(configured Entrypoint) $(configured Cmd), as $(configured User)"
  # shellcheck disable=SC2046  # the words of the command
  buildah run --volume "$volume:/var/lib/ntm" "$container" -- $(configured Entrypoint) $(configured Cmd) \
    >"$PROOF_DIR/server.log" 2>&1 &
  launcher=$!
  # shellcheck disable=SC2046
  set -- $(configured Healthcheck.Test | sed 's/^{*CMD //; s/ [0-9][0-9hms]*s .*//')
  tries=0
  until buildah run "$container" -- "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    kill -0 "$launcher" 2>/dev/null || { cat "$PROOF_DIR/server.log" >&2; die "it ended"; }
    if [ "$tries" -ge 20 ]; then die "not healthy: $*; log: $PROOF_DIR/server.log"; fi
    sleep 0.5
  done
  server=$(descendant "$launcher")
  say "healthy by its own check: $*"
  grep -E '^(Uid|VmRSS|Threads):' "/proc/$server/status"
}

stop_image() {
  kill -TERM "$server"
  code=0
  wait "$launcher" || code=$?
  server=''
  [ "$code" -eq 0 ] || die "stopped by SIGTERM it exits with $code"
  say "stopped by SIGTERM: exit code 0"
  buildah rm "$container" >/dev/null
  container=''
}

prove_image() {
  port=${PROOF_PORT:-18080}
  url=http://127.0.0.1:$port
  # A volume that Docker makes has the owner of the folder that it covers.
  volume=$PROOF_DIR/volume
  rm -rf "$volume"
  install -d -m 0700 -o 65532 -g 65532 "$volume"

  start_image
  curl -fsS "$url/models" | head -c 400
  echo
  NTM_URL="$url" sh examples/copy.sh --seed 1
  session=$(curl -fsS -d '{"model": "copy"}' "$url/sessions" | sed 's/.*"id":"\([^"]*\)".*/\1/')
  step='{"input": [1, 0, 1, 0, 1, 0, 1, 0, 0]}'
  curl -fsS -d "$step" "$url/sessions/$session/step?return=output"
  echo
  stop_image

  start_image
  say "another container goes on with session $session:"
  second=$(curl -fsS -d "$step" "$url/sessions/$session/step?return=output")
  echo "$second"
  case $second in *'"step":2,'*) ;; *) die 'the session has not survived' ;; esac
  stop_image
}

report() {
  container=$(buildah from --pull-never "$IMAGE")
  root=$(buildah mount "$container")
  base=$(buildah from --pull-never "$RUNTIME")
  base_root=$(buildah mount "$base")
  say "image $(megabytes "$root") MB, of which the Debian base $(megabytes "$base_root") MB," \
    "the binary $(megabytes "$root/usr/local/bin/ntm") MB, Models $(megabytes "$root/usr/share/ntm") MB"
  chroot "$root" ldd /usr/local/bin/ntm | sed 's/ (0x.*//'
  if chroot "$root" ldd /usr/local/bin/ntm | grep -q 'not found'; then die 'a library is missing'; fi
  buildah rm "$base" "$container" >/dev/null
  container=''
}

mode=${1:-run}
[ "$(id -u)" -eq 0 ] || die 'run it as root'
case $mode in
  --clean) rm -rf "$PROOF_DIR"; exit 0 ;;
  --build-only | --run-only | run) ;;
  *) die "unknown option: $mode" ;;
esac
for tool in buildah debootstrap curl swift; do
  command -v "$tool" >/dev/null || die "$tool is missing"
done
mkdir -p "$PROOF_DIR"

# From the compiler itself: `swift` may be a launcher that stands elsewhere.
resources=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
toolchain=${resources%/usr/lib/swift}
[ -x "$toolchain/usr/bin/swift" ] || die "no toolchain at '$toolchain'"

exists "$RUNTIME" || make_runtime_base
exists "$BUILD" || make_build_base

build_image() {
  set -- --volume "$toolchain:/toolchain:ro"
  if [ -n "${SWIFT_PACKAGE_MIRROR:-}" ]; then
    set -- "$@" --volume "$SWIFT_PACKAGE_MIRROR:/swift-packages:ro"
  fi
  say "building $IMAGE"
  started=$(date +%s)
  # Docker's image format: the OCI one has no health check.
  buildah build --format docker --pull-never --layers=false --tag "$IMAGE" \
    --build-arg SWIFT_IMAGE="$BUILD" --build-arg RUNTIME_IMAGE="$RUNTIME" "$@" \
    . >"$PROOF_DIR/build.log" 2>&1 || { tail -n 40 "$PROOF_DIR/build.log" >&2; die 'the build failed'; }
  say "built in $(($(date +%s) - started)) s"
}

if [ "$mode" != --run-only ]; then
  build_image
  report
fi
[ "$mode" = --build-only ] || prove_image

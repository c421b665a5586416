#!/bin/sh
# Makes sure that everything `swift build` needs is there: installs it on Debian and Ubuntu, says
# elsewhere what to install. With everything in place it only looks, which takes a moment and
# needs neither the network nor root.
#
#   scripts/install-dependencies.sh              what building and running need
#   scripts/install-dependencies.sh shellcheck   and commands, or Debian packages, of these names
set -eu

# What the toolchain's own binaries load and link: the packages of the official Swift image that
# its binaries fail without. -dev, because the names of the libraries' own packages change.
TOOLCHAIN_PACKAGES='libcurl4-openssl-dev libncurses-dev libsqlite3-dev libxml2-dev'

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# A toolchain is gigabytes and its owner's choice: it is asked for, never installed.
require_toolchain() {
  if has swift; then return; fi
  # shellcheck disable=SC2016  # these lines are for the reader's shell to expand
  case $(uname -s) in
    Darwin) set -- '  curl -O https://download.swift.org/swiftly/darwin/swiftly.pkg && installer -pkg swiftly.pkg -target CurrentUserHomeDirectory && ~/.swiftly/bin/swiftly init --quiet-shell-followup && . "${SWIFTLY_HOME_DIR:-$HOME/.swiftly}/env.sh" && hash -r' ;;
    *) set -- '  curl -O "https://download.swift.org/swiftly/linux/swiftly-$(uname -m).tar.gz" && tar zxf "swiftly-$(uname -m).tar.gz" && ./swiftly init --quiet-shell-followup && . "${SWIFTLY_HOME_DIR:-$HOME/.local/share/swiftly}/env.sh" && hash -r' ;;
  esac
  die 'There is no Swift toolchain here. This line gets it (https://www.swift.org/install):' '' "$1" '' \
    'Or run the server in a container, without one:' '' \
    '  docker build --tag ntm .' \
    '  docker run --rm --publish 8080:8080 ntm'
}

# The Debian packages that are missing, by looking for what they hold.
missing_packages() {
  for command in git pkg-config "$@"; do
    has "$command" || dpkg -s "$command" >/dev/null 2>&1 || echo "$command"
  done
  # The headers and start-up files that Swift and C link against, g++ brings them all.
  set -- /usr/include/c++/*/cstdlib
  [ -e "$1" ] || echo g++
  pkg-config --exists libmicrohttpd 2>/dev/null || echo libmicrohttpd-dev
  pkg-config --exists gnutls 2>/dev/null || echo libgnutls28-dev
  pkg-config --exists openblas 2>/dev/null || echo libopenblas-dev
  pkg-config --exists sqlite3 2>/dev/null || echo libsqlite3-dev
  pkg-config --exists zlib 2>/dev/null || echo zlib1g-dev
  case $(swift package --version 2>&1) in
    *'loading shared libraries'*) echo "$TOOLCHAIN_PACKAGES" ;;
  esac
}

install_with_apt() {
  packages=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  if [ "$(id -u)" -eq 0 ]; then
    as_root=''
  elif has sudo; then
    as_root=sudo
  else
    die 'Packages are missing, and there is no sudo to install them with. As root, run:' '' \
      "  apt-get update && apt-get install -y $packages"
  fi
  echo "Installing: $packages"
  # The lists of a fresh machine are empty. An unreachable extra source need not stop us.
  $as_root apt-get update -qq || echo 'apt-get update failed, trying with the lists there are.' >&2
  # shellcheck disable=SC2086  # the words of both
  $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends $packages >/dev/null
  packages=$(missing_packages "$@" | tr '\n' ' ')
  [ -z "$packages" ] || die "Still missing after the installation: $packages"
}

check_with_brew() {
  has brew || die 'Homebrew is needed for the libraries: https://brew.sh'
  formulae=''
  for formula in gnutls libmicrohttpd openblas zlib; do
    [ -e "$(brew --prefix)/opt/$formula" ] || formulae="$formulae $formula"
  done
  for command in "$@"; do
    has "$command" || formulae="$formulae $command"
  done
  [ -z "$formulae" ] || die 'Libraries are missing. This line gets them:' '' "  brew install$formulae"
}

check_with_pkg_config() {
  if pkg-config --exists gnutls libmicrohttpd openblas sqlite3 zlib 2>/dev/null; then return; fi
  die 'These are needed, with their headers and pkg-config files:' '' \
    '  pkg-config, libmicrohttpd (0.9.75 or newer, with GnuTLS), OpenBLAS with CBLAS, SQLite, zlib' '' \
    'Fedora: dnf install pkgconf-pkg-config gnutls-devel libmicrohttpd-devel openblas-devel sqlite-devel zlib-devel' \
    'Arch:   pacman -S pkgconf gnutls libmicrohttpd blas-openblas sqlite zlib'
}

require_toolchain
if [ "$(uname -s)" = Darwin ]; then
  check_with_brew "$@"
elif has apt-get; then
  install_with_apt "$@"
else
  check_with_pkg_config
fi
swift package --version >/dev/null || die 'The Swift toolchain does not run (its message is above).'

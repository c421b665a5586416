#!/bin/sh
# Compares the decimals of CDecimals with the C++ standard library's, for every finite float32 and
# every variant that this processor runs. That is about six minutes; with a stride, such as 997, it
# is a second.
#
#   Tests/Decimals/check.sh [STRIDE [FIRST]]
#
# CXX and CXXFLAGS are taken from the environment.
set -eu
cd "$(dirname "$0")/../.."

if [ -z "${CXX:-}" ]; then
  for CXX in clang++ g++; do
    ! command -v "$CXX" >/dev/null || break
  done
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# shellcheck disable=SC2086 # flags are words
"$CXX" -std=c++17 -O2 -Wall -Wextra -Wno-psabi -Werror ${CXXFLAGS:-} -ISources/CDecimals \
  -ISources/CDecimals/include -o "$folder/exhaustive" Tests/Decimals/exhaustive.cpp \
  Sources/CDecimals/*.cpp
"$folder/exhaustive" "$@"

#!/usr/bin/env bash
# The shell scripts, as shellcheck reads them.
set -euo pipefail
cd "$(dirname "$0")/../.."
{
  printf '%s\0' dev .ci/run hooks/netfilter-persistent/05-rewall
  find hooks/*.d -type f -print0
  find hooks/package/deb -name 'p*' -print0
  find hooks tests -name '*.sh' -print0
} | xargs -0 shellcheck
# rpm gives these to its shell, without a first line of their own.
shellcheck --shell=sh hooks/package/rpm/*

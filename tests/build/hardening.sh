#!/usr/bin/env bash
# hardening.sh PROGRAM: what the flags of CMakeLists.txt must have left in it, as readelf and objdump see it.
set -euo pipefail
export LC_ALL=C
program=$1
bad=0

# has WHAT PATTERN COMMAND...: a line of what the command prints matches the pattern.
has() {
  local what=$1 pattern=$2 text
  shift 2
  text=$("$@")
  grep -qE -- "$pattern" <<<"$text" || { echo "$program: $what is missing" >&2; bad=1; }
}

has "PIE: type DYN" 'Type: +DYN ' readelf -hW "$program"
has "PIE: flag" 'FLAGS_1.* PIE' readelf -dW "$program"
has "RELRO" '^ *GNU_RELRO ' readelf -lW "$program"
has "BIND_NOW, without which RELRO is half" '\(FLAGS\).*BIND_NOW' readelf -dW "$program"
has "a stack that is no code" '^ *GNU_STACK .* RW +0x' readelf -lW "$program"
has "the stack protector" ' __stack_chk_fail@' readelf -W --dyn-syms "$program"
has "a fortified function" ' __[a-z]+_chk@' readelf -W --dyn-syms "$program"
has "the assertions of libstdc++" ' (_ZSt|_ZNSt)[0-9A-Za-z_]*(glibcxx_assert_fail|replacement_assert)' readelf -sW "$program"
case $(uname -m) in
  x86_64)
    # The note that turns it on is the linker's, where libc's own start files have it: Debian's have none.
    has "CET: a landing mark at main" 'endbr64' objdump -d --no-show-raw-insn --disassemble=main "$program"
    # shellcheck disable=SC2016
    has "probes of the stack in large frames" 'or[ql]? +\$0x0,(0x[0-9a-f]+)?\(%rsp' objdump -d --no-show-raw-insn "$program"
    ;;
  aarch64) has "BTI: a landing mark" 'bti|paciasp' objdump -d --no-show-raw-insn --disassemble=main "$program" ;;
esac
exit "$bad"

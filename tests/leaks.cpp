// libgit2 1.5 with PCRE2 loses memory when an expression does not match or a revision cannot be read; the
// sanitizer cannot look into it, and our own handles on it release themselves. Linked into every sanitized
// program. NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizer's name
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libpcre2\nleak:libgit2\n";
}

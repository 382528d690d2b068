// Linked into every sanitized program.

// libgit2 1.5 with PCRE2 loses memory when an expression does not match or a revision cannot be read; the
// sanitizer cannot look into it, and our own handles on it release themselves.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizer's name
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libpcre2\nleak:libgit2\n";
}

// UndefinedBehaviorSanitizer stops a program by an illegal instruction, and the report names its line. What
// else is here makes a program start sooner: libgit2 looks through all certificates of the system with
// strstr(3). NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizer's name
extern "C" const char* __asan_default_options() {
  return "handle_sigill=1:intercept_strstr=0:exitcode=86";
}

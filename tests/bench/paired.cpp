// Runs two commands in turn, A B A B, and prints what each took: for ./dev bench.
//
//   paired RUNS [BEFORE...] -- A... -- [B...]
//
// One line: median milliseconds of A and of B, the median of A/B over the pairs, the largest resident set of
// A and of B in KiB (wait4(2)), the exit status of A and of B. BEFORE runs before each of them and is not
// timed; RUN in its environment counts up, so that it can make each time a different change. Without B its
// figures are 0. A first run of each, to warm the caches, is not counted.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Words = std::vector<std::string>;

struct Run {
  double milliseconds = 0;
  long kilobytes = 0;
  int status = 0;
};

[[noreturn]] void become(const Words& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  execvp(arguments[0], arguments.data());
  std::perror(arguments[0]);
  _exit(127);
}

Run run(const Words& words) {
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) become(words);
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child) {
    std::perror("paired");
    std::exit(1);
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  return {took.count(), usage.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// One side of the comparison, run by run. A status that changes between runs is an error of its own: -1.
struct Side {
  Words words{};
  std::vector<double> times{};
  Run worst{};

  void note(const Run& result) {
    worst.status = times.empty() || worst.status == result.status ? result.status : -1;
    worst.kilobytes = std::max(worst.kilobytes, result.kilobytes);
    times.push_back(result.milliseconds);
  }
};

}  // namespace

int main(int argc, char** argv) {
  std::vector<Words> parts(1);
  for (int i = 2; i < argc; ++i) {
    if (std::string(argv[i]) == "--") {
      parts.emplace_back();
    } else {
      parts.back().emplace_back(argv[i]);
    }
  }
  const int runs = argc > 1 ? std::atoi(argv[1]) : 0;
  if (runs < 1 || parts.size() != 3 || parts[1].empty()) {
    std::fputs("usage: paired RUNS [BEFORE...] -- A... -- [B...]\n", stderr);
    return 2;
  }
  Side a{parts[1]};
  Side b{parts[2]};
  int count = 0;
  const auto once = [&](const Words& words) {
    setenv("RUN", std::to_string(++count).c_str(), 1);
    if (!parts[0].empty() && run(parts[0]).status != 0) {
      std::fputs("paired: the command before failed\n", stderr);
      std::exit(1);
    }
    return run(words);
  };
  std::vector<double> ratios;
  for (int i = 0; i <= runs; ++i) {
    const Run of_a = once(a.words);
    const Run of_b = b.words.empty() ? Run{} : once(b.words);
    if (i == 0) continue;
    a.note(of_a);
    b.note(of_b);
    ratios.push_back(of_b.milliseconds > 0 ? of_a.milliseconds / of_b.milliseconds : 0);
  }
  std::printf("%.2f %.2f %.3f %ld %ld %d %d\n", median(a.times), median(b.times), median(ratios),
              a.worst.kilobytes, b.worst.kilobytes, a.worst.status, b.worst.status);
}

#include "hub/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "hub/files.h"

namespace uma::hub {
namespace {

constexpr size_t kKeptOutput = 16384;
constexpr int kTickMs = 100;
constexpr int kGraceMs = 500;  // between asking a child to end and ending it

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int fds[2];
    check(::pipe2(fds, O_CLOEXEC) == 0, ErrorCode::kIo, "models", "cannot make a pipe: {}",
          std::generic_category().message(errno));
    read = fds[0];
    write = fds[1];
  }
  ~Pipe() {
    close_read();
    close_write();
  }
  void close_read() {
    if (read >= 0) ::close(read);
    read = -1;
  }
  void close_write() {
    if (write >= 0) ::close(write);
    write = -1;
  }
};

std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& extra) {
  std::vector<std::string> result;
  for (char** e = environ; e && *e; ++e) {
    bool replaced = false;
    for (const auto& [key, value] : extra) replaced |= std::string_view(*e).starts_with(key + "=");
    if (!replaced) result.emplace_back(*e);
  }
  for (const auto& [key, value] : extra) result.push_back(key + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

/// What the child tells if it cannot become the program.
struct StartFailure {
  bool in_folder = false;
  int error = 0;
};

/// What happens between fork and exec: system calls only, as other threads may hold any lock.
[[noreturn]] void become(char* const* argv, char* const* envp, const char* folder, int output, int report,
                         pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);  // Ctrl-C on the terminal reaches us only, and we end the whole group
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  StartFailure failure;
  failure.in_folder = *folder != '\0' && ::chdir(folder) != 0;
  if (!failure.in_folder) ::execvpe(argv[0], argv, envp);
  failure.error = errno;
  [[maybe_unused]] const ssize_t n = ::write(report, &failure, sizeof failure);
  ::_exit(127);
}

class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (!ended_) stop();
  }
  bool ended() {
    if (ended_) return true;
    int status = 0;
    const pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return false;
    ended_ = true;
    if (got == pid_) code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
  }
  int code() const { return code_; }

 private:
  void stop() {
    ::kill(-pid_, SIGTERM);
    for (int waited = 0; waited < kGraceMs && !ended(); waited += 20)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ::kill(-pid_, SIGKILL);  // also what the child may have left behind
    while (!ended()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  pid_t pid_;
  bool ended_ = false;
  int code_ = 0;
};

/// Reads what there is, keeping the tail. Returns false at the end.
bool take_output(int fd, std::string& output) {
  char buffer[4096];
  const ssize_t n = ::read(fd, buffer, sizeof buffer);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  output.append(buffer, static_cast<size_t>(n));
  if (output.size() > 2 * kKeptOutput) output.erase(0, output.size() - kKeptOutput);
  return n > 0;
}

void follow(Child& child, int fd, const ChildOptions& options, std::string& output) {
  bool open = true;
  auto next_tick = std::chrono::steady_clock::now();
  while (!child.ended()) {
    check_cancel(options.cancel);
    if (open) {
      struct pollfd ready {
        fd, POLLIN, 0
      };
      if (::poll(&ready, 1, kTickMs) > 0) open = take_output(fd, output);
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (options.on_tick && std::chrono::steady_clock::now() >= next_tick) {
      options.on_tick();
      next_tick = std::chrono::steady_clock::now() + std::chrono::milliseconds(kTickMs);
    }
  }
  struct pollfd ready {
    fd, POLLIN, 0
  };
  // The rest, but not what a process left behind may still write.
  while (open && ::poll(&ready, 1, 0) > 0) open = take_output(fd, output);
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& words, const ChildOptions& options) {
  std::vector<std::string> argv_words = words;
  std::vector<std::string> env_words = merged_environment(options.environment);
  const std::vector<char*> argv = pointers(argv_words), envp = pointers(env_words);
  const std::string folder = options.folder.string();
  Pipe output, report;
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  check(pid >= 0, ErrorCode::kIo, "models", "cannot start {}: {}", words[0],
        std::generic_category().message(errno));
  if (pid == 0) become(argv.data(), envp.data(), folder.c_str(), output.write, report.write, parent);
  ::setpgid(pid, pid);  // whichever of the two comes first
  Child child(pid);
  output.close_write();
  report.close_write();

  StartFailure failure;
  ssize_t n;
  do n = ::read(report.read, &failure, sizeof failure);
  while (n < 0 && errno == EINTR);
  if (n == sizeof failure) {
    check(failure.in_folder || failure.error != ENOENT, ErrorCode::kNotFound, "models",
          "there is no program {} in PATH", words[0]);
    fail(ErrorCode::kIo, "models", "cannot start {}{}: {}", words[0],
         failure.in_folder ? " in " + folder : "", std::generic_category().message(failure.error));
  }
  ChildResult result;
  follow(child, output.read, options, result.output);
  result.exit_code = child.code();
  if (result.output.size() > kKeptOutput) result.output.erase(0, result.output.size() - kKeptOutput);
  return result;
}

}  // namespace uma::hub

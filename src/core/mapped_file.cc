#include "core/mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/error.h"

namespace uma {
namespace {

// What the signal handler may look at: fixed memory, atomics only. A process maps a handful of model files;
// one past the last slot works as well, but for the protection.
struct Slot {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> shrunk{false};
};
constexpr int kSlots = 256;
std::array<Slot, kSlots> slots;
std::atomic<int> faults{0};
struct sigaction previous;

// Which file a slot is, for the sentence that says it shrank; not for the handler.
std::mutex names_mutex;
std::array<std::string, kSlots> names;

void on_bus_error(int number, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Slot& slot : slots) {
    const uintptr_t begin = slot.begin.load(), end = slot.end.load();
    if (begin == 0 || address < begin || address >= end) continue;
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t from = address / page * page;
    // Zeros for the rest of the range, so that the reader goes on; the next check() throws.
    if (mmap(reinterpret_cast<void*>(from), end - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) != MAP_FAILED) {
      // Two threads may fault at once, and a file may shrink twice.
      if (!slot.shrunk.exchange(true)) faults.fetch_add(1);
      return;
    }
  }
  if (previous.sa_flags & SA_SIGINFO) return previous.sa_sigaction(number, info, context);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) return previous.sa_handler(number);
  signal(SIGBUS, SIG_DFL);  // the access is tried again, and ends the process as it would have
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous);
  });
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  uma::check(path.find('\0') == std::string::npos, ErrorCode::kIo, "open", "a path must not hold a NUL byte");
  // Not blocking: opening a pipe would wait for a writer that may never come.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  uma::check(file.fd >= 0, errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, "open", "{}: {}", path,
             std::strerror(errno));
  struct stat status {};
  uma::check(fstat(file.fd, &status) == 0, ErrorCode::kIo, "open", "{}: {}", path, std::strerror(errno));
  uma::check(!S_ISDIR(status.st_mode), ErrorCode::kIo, "open", "{} is a folder, not a file", path);
  uma::check(S_ISREG(status.st_mode), ErrorCode::kIo, "open", "{} is not a regular file", path);
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  mapped->path_ = path;
  mapped->size_ = static_cast<size_t>(status.st_size);
  if (mapped->size_ == 0) return mapped;
  install_handler();
  void* data = mmap(nullptr, mapped->size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  uma::check(data != MAP_FAILED, ErrorCode::kIo, "open", "{} cannot be mapped: {}", path,
             std::strerror(errno));
  mapped->data_ = static_cast<const uint8_t*>(data);
  const auto begin = reinterpret_cast<uintptr_t>(data);
  for (int i = 0; i < kSlots; ++i) {
    uintptr_t free = 0;
    if (!slots[i].begin.compare_exchange_strong(free, begin)) continue;
    slots[i].shrunk = false;
    slots[i].end = begin + mapped->size_;
    mapped->slot_ = i;
    const std::lock_guard lock(names_mutex);
    names[static_cast<size_t>(i)] = path;
    break;
  }
  return mapped;
}

MappedFile::~MappedFile() {
  if (slot_ >= 0) {
    if (slots[slot_].shrunk.exchange(false)) faults.fetch_sub(1);
    slots[slot_].end = 0;
    slots[slot_].begin = 0;
  }
  if (data_) munmap(const_cast<uint8_t*>(data_), size_);
}

void MappedFile::check() const {
  uma::check(slot_ < 0 || !slots[slot_].shrunk.load(), ErrorCode::kIo, "open",
             "{} became shorter while it was in use", path_);
}

void MappedFile::check_all() {
  if (faults.load(std::memory_order_relaxed) == 0) [[likely]]
    return;
  const std::lock_guard lock(names_mutex);
  for (size_t i = 0; i < kSlots; ++i)
    uma::check(!slots[i].shrunk.load(), ErrorCode::kIo, "open", "{} became shorter while it was in use",
               names[i]);
}

}  // namespace uma

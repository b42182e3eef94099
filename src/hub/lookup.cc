#include "hub/lookup.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/thread.h"
#include "hub/files.h"
#include "hub/http.h"

namespace uma::hub {
namespace {

using Clock = std::chrono::steady_clock;

struct Answer {
  std::mutex mutex;
  std::condition_variable done;
  bool ready = false;
  int code = 0;
  std::vector<SocketAddress> first, second;  // of the family that came first, and of the other one
};

void ask(const std::string& host, Answer& answer) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  std::lock_guard lock(answer.mutex);
  for (const addrinfo* a = list; code == 0 && a; a = a->ai_next) {
    const char* bytes = reinterpret_cast<const char*>(a->ai_addr);
    (a->ai_family == list->ai_family ? answer.first : answer.second)
        .emplace_back(bytes, bytes + a->ai_addrlen);
  }
  if (list) ::freeaddrinfo(list);
  answer.code = code;
  answer.ready = true;
  answer.done.notify_one();
}

}  // namespace

std::vector<SocketAddress> look_up(const std::string& host, int timeout_ms, const std::atomic<bool>* cancel) {
  // getaddrinfo has no time limit and cannot be stopped, so it runs on a thread that may outlive the call.
  const auto answer = std::make_shared<Answer>();
  start_thread([answer, host] { ask(host, *answer); }).detach();
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  std::unique_lock lock(answer->mutex);
  while (!answer->ready && Clock::now() < deadline) {
    answer->done.wait_for(lock, std::chrono::milliseconds(100));
    check_cancel(cancel);
  }
  if (!answer->ready) throw HttpError(false, fmt::format("no answer to where {} is", host));
  if (answer->code != 0 || answer->first.empty())
    throw HttpError(false, fmt::format("{} cannot be found: {}", host,
                                       answer->code ? ::gai_strerror(answer->code) : "it has no address"));
  std::vector<SocketAddress> result;
  for (size_t i = 0; i < std::max(answer->first.size(), answer->second.size()); ++i) {
    if (i < answer->first.size()) result.push_back(answer->first[i]);
    if (i < answer->second.size()) result.push_back(answer->second[i]);
  }
  return result;
}

}  // namespace uma::hub

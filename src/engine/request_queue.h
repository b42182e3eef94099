#pragma once
// Requests that wait for a place in a scheduler's steps. The least priority comes first; among equals the
// tenant that was served longest ago; of one tenant whoever came first. For one thread at a time.
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "engine/sequence.h"

namespace uma {

class RequestQueue {
 public:
  /// Where `most` wait already, somebody of the last priority has to go, so that nobody fills a queue alone:
  /// the newest of the tenant who has most there. That one is returned. Throws BusyError where it is the new
  /// one itself.
  [[nodiscard]] SequencePtr push(SequencePtr sequence, int64_t most);
  /// For one that was popped and had to go back: it is the first of its tenant again.
  void put_back(SequencePtr sequence);
  /// The next one; nullptr where nobody waits.
  SequencePtr pop();
  /// Those that wait for nothing more.
  std::vector<SequencePtr> take_ended(Clock::time_point now);
  std::vector<SequencePtr> take_all();

  bool empty() const { return levels_.empty(); }
  bool any_ended(Clock::time_point now) const;
  int64_t size() const;

 private:
  using Tenants = std::map<std::string, std::deque<SequencePtr>>;
  static Tenants::iterator longest(Tenants& tenants);
  template <class Take>
  std::vector<SequencePtr> take(Take take);

  std::map<int64_t, Tenants> levels_;    // by priority; no level and no tenant's queue is empty
  std::map<std::string, int64_t> turn_;  // of each tenant; there are as many as keys
  int64_t turns_ = 0;
};

}  // namespace uma

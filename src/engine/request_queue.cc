#include "engine/request_queue.h"

namespace uma {

RequestQueue::Tenants::iterator RequestQueue::longest(Tenants& tenants) {
  return std::max_element(tenants.begin(), tenants.end(),
                          [](auto& a, auto& b) { return a.second.size() < b.second.size(); });
}

SequencePtr RequestQueue::push(SequencePtr sequence, int64_t most) {
  const int64_t priority = sequence->request.priority;
  const std::string& tenant = sequence->request.tenant;
  SequencePtr out;
  if (size() >= most) {
    const auto last = levels_.empty() ? levels_.end() : std::prev(levels_.end());
    bool takes = last != levels_.end() && priority <= last->first;
    if (takes && priority == last->first) {
      const auto mine = last->second.find(tenant);
      takes =
          longest(last->second)->second.size() > (mine == last->second.end() ? 0 : mine->second.size()) + 1;
    }
    if (!takes) throw BusyError(fmt::format("{} requests are waiting already", size()));
    const auto from = longest(last->second);
    out = std::move(from->second.back());
    from->second.pop_back();
    if (from->second.empty()) last->second.erase(from);
    if (last->second.empty()) levels_.erase(last);
  }
  levels_[priority][tenant].push_back(std::move(sequence));
  return out;
}

void RequestQueue::put_back(SequencePtr sequence) {
  levels_[sequence->request.priority][sequence->request.tenant].push_front(std::move(sequence));
}

SequencePtr RequestQueue::pop() {
  if (levels_.empty()) return nullptr;
  const auto level = levels_.begin();
  Tenants& tenants = level->second;
  const auto next = std::min_element(tenants.begin(), tenants.end(),
                                     [&](auto& a, auto& b) { return turn_[a.first] < turn_[b.first]; });
  turn_[next->first] = ++turns_;
  SequencePtr out = std::move(next->second.front());
  next->second.pop_front();
  if (next->second.empty()) tenants.erase(next);
  if (tenants.empty()) levels_.erase(level);
  return out;
}

template <class Take>
std::vector<SequencePtr> RequestQueue::take(Take take) {
  std::vector<SequencePtr> out;
  for (auto& [priority, tenants] : levels_) {
    for (auto& [tenant, queue] : tenants) {
      for (SequencePtr& s : queue)
        if (take(*s)) out.push_back(std::move(s));
      std::erase(queue, nullptr);
    }
    std::erase_if(tenants, [](const auto& t) { return t.second.empty(); });
  }
  std::erase_if(levels_, [](const auto& level) { return level.second.empty(); });
  return out;
}

std::vector<SequencePtr> RequestQueue::take_ended(Clock::time_point now) {
  return take([&](const Sequence& s) { return s.ended(now).has_value(); });
}

std::vector<SequencePtr> RequestQueue::take_all() {
  return take([](const Sequence&) { return true; });
}

bool RequestQueue::any_ended(Clock::time_point now) const {
  for (const auto& [priority, tenants] : levels_)
    for (const auto& [tenant, queue] : tenants)
      for (const SequencePtr& s : queue)
        if (s->ended(now)) return true;
  return false;
}

int64_t RequestQueue::size() const {
  size_t n = 0;
  for (const auto& [priority, tenants] : levels_)
    for (const auto& [tenant, queue] : tenants) n += queue.size();
  return static_cast<int64_t>(n);
}

}  // namespace uma

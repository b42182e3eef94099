#include "graph/compile.h"

#include <atomic>
#include <cstdlib>

namespace uma {
namespace {

std::atomic<bool>& enabled() {
  static std::atomic<bool> enabled = std::getenv("MLX_DISABLE_COMPILE") == nullptr;
  return enabled;
}

struct Cache {
  std::mutex mutex;
  std::unordered_map<std::string, std::shared_ptr<Recorded>> recordings;

  std::shared_ptr<Recorded> find(const std::string& key) {
    std::lock_guard lock(mutex);
    const auto it = recordings.find(key);
    return it == recordings.end() ? nullptr : it->second;
  }
  void add(const std::string& key, std::shared_ptr<Recorded> recorded) {
    std::lock_guard lock(mutex);
    if (recordings.size() >= kMostRecordings) recordings.clear();
    recordings.insert_or_assign(key, std::move(recorded));
  }
};

}  // namespace

void append_key(std::string& key, const array& a, bool extents) {
  key.push_back(static_cast<char>(a.dtype()));
  key.push_back(static_cast<char>(a.ndim()));
  if (extents) key.append(reinterpret_cast<const char*>(a.shape().begin()), a.ndim() * sizeof(int64_t));
}

std::shared_ptr<const Graph> Recorded::derived(std::span<const array> arguments) {
  std::string key;
  for (const array& a : arguments) append_key(key, a, true);
  std::lock_guard lock(mutex_);
  auto& slot = derived_[key];
  if (!slot) {
    try {
      slot = std::make_shared<const Graph>(graph_.for_arguments(signatures_of(arguments)));
    } catch (...) {
      derived_.erase(key);
      throw;
    }
    if (derived_.size() > kMostRecordings) {
      const auto kept = slot;
      derived_.clear();
      return kept;
    }
  }
  return slot;
}

std::vector<array> Recorded::operator()(std::span<const array> arguments) {
  bool same = true;
  if (shapeless_)
    for (size_t i = 0; i < arguments.size(); ++i)
      same = same && arguments[i].shape() == graph_.arguments[i].shape;
  return same ? graph_(arguments) : (*derived(arguments))(arguments);
}

Function compile(Function fun, bool shapeless) {
  return [fun = std::move(fun), shapeless,
          cache = std::make_shared<Cache>()](const std::vector<array>& arguments) {
    if (!compile_enabled()) return fun(arguments);
    std::string key;
    const Device device = default_device();
    key.push_back(static_cast<char>(device.type));
    key.push_back(static_cast<char>(device.index));
    for (const array& a : arguments) append_key(key, a, !shapeless);
    auto recorded = cache->find(key);
    if (!recorded) {
      recorded =
          std::make_shared<Recorded>(Graph::record(fun, signatures_of(arguments), shapeless), shapeless);
      if (recorded->graph().reusable) cache->add(key, recorded);
    }
    return (*recorded)(arguments);
  };
}

UnaryFunction compile(UnaryFunction fun, bool shapeless) {
  const Function many = [fun = std::move(fun)](const std::vector<array>& x) {
    return std::vector<array>{fun(x[0])};
  };
  return [inner = compile(many, shapeless)](const array& x) { return inner({x})[0]; };
}

void disable_compile() {
  enabled() = false;
}
void enable_compile() {
  enabled() = true;
}
bool compile_enabled() {
  return enabled().load(std::memory_order_relaxed);
}

}  // namespace uma

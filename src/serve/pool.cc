#include "serve/pool.h"

#include <algorithm>

#include "models/open.h"
#include "serve/api.h"

namespace uma::serve {

Pool::Lease& Pool::Lease::operator=(Lease&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(place_, other.place_);
  load_s = other.load_s;
  return *this;
}

Pool::Lease::~Lease() {
  if (place_) pool_->release(*place_);
}

void Pool::release(Place& place) {
  std::lock_guard lock(mutex_);
  --place.users;
  place.released = SteadyClock::now();
}

Pool::Lease Pool::take(const LocalModel& model, std::optional<KeepAlive> keep_alive) {
  const auto start = SteadyClock::now();
  const std::string key = key_of(model);
  std::shared_ptr<LoadedModel> old;  // closed without the lock
  std::unique_lock lock(mutex_);
  const auto find = [&] {
    return std::find_if(places_.begin(), places_.end(), [&](const PlacePtr& p) { return p->key == key; });
  };
  loaded_.wait(lock, [&] { return find() == places_.end() || (*find())->model; });
  PlacePtr place;
  if (const auto at = find(); at != places_.end()) {
    place = *at;
    ++place->users;
  } else {
    old = make_room();
    place = places_.emplace_back(std::make_shared<Place>());
    place->key = key;
    place->users = 1;
    lock.unlock();
    std::shared_ptr<LoadedModel> loaded;
    try {
      old.reset();
      loaded = load(model);
    } catch (...) {
      lock.lock();
      std::erase(places_, place);
      loaded_.notify_all();
      throw;
    }
    lock.lock();
    place->model = std::move(loaded);
    loaded_.notify_all();
  }
  place->keep_alive = keep_alive.value_or(options_.keep_alive);
  Lease lease(this, place);
  lease.load_s = std::chrono::duration<double>(SteadyClock::now() - start).count();
  return lease;
}

std::shared_ptr<LoadedModel> Pool::make_room() {
  if (static_cast<int>(places_.size()) < options_.max_models) return nullptr;
  auto oldest = places_.end();
  for (auto p = places_.begin(); p != places_.end(); ++p)
    if ((*p)->users == 0 && (oldest == places_.end() || (*p)->released < (*oldest)->released)) oldest = p;
  if (oldest == places_.end())
    throw BusyError(fmt::format("{} models are loaded and in use", options_.max_models));
  auto model = std::move((*oldest)->model);
  places_.erase(oldest);
  return model;
}

std::shared_ptr<LoadedModel> Pool::load(const LocalModel& local) const {
  try {
    const auto model = open_model(local.path, options_.model);
    SchedulerOptions options = options_.scheduler;
    options.context = std::min(options.context, model->config().context_length);
    return std::make_shared<LoadedModel>(local, model, options);
  } catch (const Error& e) {
    if (options_.log) options_.log(fmt::format("cannot load {}: {}", local.name, e.what()));
    throw ApiError(500, fmt::format("model '{}' cannot be loaded; the server's log says why", local.name));
  }
}

void Pool::unload(const LocalModel& model) {
  {
    std::lock_guard lock(mutex_);
    for (const PlacePtr& p : places_)
      if (p->key == key_of(model)) p->keep_alive = KeepAlive::zero();
  }
  sweep();
}

void Pool::sweep() {
  std::vector<PlacePtr> gone;  // closed without the lock
  std::lock_guard lock(mutex_);
  const auto now = SteadyClock::now();
  std::erase_if(places_, [&](const PlacePtr& p) {
    if (p->users > 0 || !p->model || !p->expires() || now - p->released < p->keep_alive) return false;
    gone.push_back(p);
    return true;
  });
}

std::vector<Pool::Status> Pool::status() const {
  std::vector<Status> all;
  {
    std::lock_guard lock(mutex_);
    const auto now = SteadyClock::now();
    for (const PlacePtr& p : places_) {
      if (!p->model) continue;
      Status s{p->model->info, {}, p->model->scheduler.context(), p->model->scheduler.stats()};
      if (p->expires()) s.left = p->users > 0 ? p->keep_alive : p->keep_alive - (now - p->released);
      all.push_back(std::move(s));
    }
  }
  constexpr auto kForever = std::chrono::nanoseconds::max();
  std::stable_sort(all.begin(), all.end(), [&](const Status& a, const Status& b) {
    return a.left.value_or(kForever) > b.left.value_or(kForever);
  });
  return all;
}

}  // namespace uma::serve

#pragma once
// The models that are loaded: opened when they are first asked for, closed when nobody has asked for a while.
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/prompt.h"
#include "engine/scheduler.h"
#include "serve/library.h"
#include "serve/settings.h"

namespace uma::serve {

using SteadyClock = std::chrono::steady_clock;
/// How long a model stays after its last request; less than nothing: for ever.
using KeepAlive = std::chrono::nanoseconds;

struct LoadedModel {
  LoadedModel(LocalModel local, const std::shared_ptr<const Model>& model, const SchedulerOptions& options)
      : info(std::move(local)),
        settings(ModelSettings::parse(info.settings)),
        prompts(model->vocabulary, settings.template_source),
        scheduler(model, options) {}

  LocalModel info;
  ModelSettings settings;
  PromptMaker prompts;
  Scheduler scheduler;
};

class Pool {
 public:
  struct Options {
    ModelOptions model;
    SchedulerOptions scheduler;  // a context over a model's own is taken as the model's
    int max_models = 3;
    KeepAlive keep_alive = std::chrono::minutes(5);
    std::function<void(std::string_view)> log;
  };
  explicit Pool(Options options) : options_(std::move(options)) {}

 private:
  struct Place {
    std::string key;
    std::shared_ptr<LoadedModel> model;  // nullptr: is being loaded
    int users = 0;
    KeepAlive keep_alive{};
    SteadyClock::time_point released;

    bool expires() const { return keep_alive >= KeepAlive::zero(); }
  };
  using PlacePtr = std::shared_ptr<Place>;

 public:
  /// Keeps a model loaded while it lives.
  class Lease {
   public:
    Lease() = default;
    Lease(Pool* pool, PlacePtr place) : pool_(pool), place_(std::move(place)) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();
    LoadedModel* operator->() const { return place_->model.get(); }
    double load_s = 0;  // what this request waited for it

   private:
    Pool* pool_ = nullptr;
    PlacePtr place_;
  };

  /// Loads the model if it is not there; others who want it wait for that. The model used longest ago makes
  /// room where places are too few.
  /// throws ApiError 500 where the file cannot be run (the log has why), BusyError where every place is in
  /// use.
  Lease take(const LocalModel& model, std::optional<KeepAlive> keep_alive = {});
  /// Closes the model as soon as nobody uses it.
  void unload(const LocalModel& model);
  /// Closes what has had its time.
  void sweep();

  struct Status {
    LocalModel info;
    std::optional<std::chrono::nanoseconds> left;  // until it is closed; none: stays
    int64_t context = 0;
    SchedulerStats stats;
  };
  /// Longest remaining first.
  std::vector<Status> status() const;

 private:
  static std::string key_of(const LocalModel& model) {
    return model.name + "|" + model.digest + "|" + model.settings;
  }
  std::shared_ptr<LoadedModel> make_room();
  std::shared_ptr<LoadedModel> load(const LocalModel& model) const;
  void release(Place& place);

  Options options_;
  mutable std::mutex mutex_;
  std::condition_variable loaded_;
  std::vector<PlacePtr> places_;
};

}  // namespace uma::serve

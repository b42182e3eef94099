// Who waits, who is next, and who has to go, without a thread.
#include "engine/request_queue.h"

#include <gtest/gtest.h>

#include "backend/install.h"

namespace uma {
namespace {

const bool installed = (install_backends(), true);

struct Waiting {
  std::shared_ptr<const Model> model =
      open_model(std::string(UMA_SOURCE_DIR) + "/tests/golden/models/qwen3.gguf");
  std::shared_ptr<Wake> wake = std::make_shared<Wake>();
  RequestQueue queue;
  int32_t number = 0;

  /// Its number is its only token.
  SequencePtr make(const std::string& tenant, int64_t priority) {
    ScheduledRequest r;
    r.tenant = tenant;
    r.priority = priority;
    r.prompt = {++number};
    return std::make_unique<Sequence>(model, std::move(r), 16, wake);
  }
  /// The number of whoever had to go, or 0.
  int32_t push(const std::string& tenant, int64_t priority = 0, int64_t most = 100) {
    const SequencePtr out = queue.push(make(tenant, priority), most);
    return out ? out->tokens[0] : 0;
  }
  std::vector<int32_t> rest() {
    std::vector<int32_t> all;
    while (const SequencePtr s = queue.pop()) all.push_back(s->tokens[0]);
    return all;
  }
};

using Numbers = std::vector<int32_t>;

TEST(RequestQueue, GoesByPriorityThenByTurnThenByTime) {
  Waiting w;
  for (const char* tenant : {"a", "a", "b", "a", "c"}) w.push(tenant);  // 1 to 5
  w.push("a", 9);                                                       // 6
  w.push("b", -9);                                                      // 7
  EXPECT_EQ(w.queue.size(), 7);
  EXPECT_EQ(w.rest(), (Numbers{7, 1, 5, 3, 2, 4, 6}));
  EXPECT_TRUE(w.queue.empty());
  EXPECT_EQ(w.queue.pop(), nullptr);
}

TEST(RequestQueue, WhoIsPutBackIsFirstAgain) {
  Waiting w;
  for (int i = 0; i < 3; ++i) w.push("a");
  SequencePtr first = w.queue.pop();
  w.queue.put_back(std::move(first));
  EXPECT_EQ(w.rest(), (Numbers{1, 2, 3}));
}

TEST(RequestQueue, AFullOneTakesFromTheLastPriorityAndThereFromWhomHasMost) {
  Waiting w;
  for (const char* tenant : {"a", "a", "a", "b"}) w.push(tenant);  // 1 to 4
  EXPECT_THROW(w.push("a", 0, 4), BusyError);                      // 5
  EXPECT_EQ(w.push("c", 0, 4), 3);                                 // 6
  EXPECT_THROW(w.push("b", 0, 4), BusyError);                      // 7: would have as many as a
  EXPECT_THROW(w.push("d", 1, 4), BusyError);                      // 8: after all of them
  EXPECT_EQ(w.push("b", -1, 4), 2);                                // 9: before all of them
  EXPECT_EQ(w.push("c", 2, 100), 0);                               // 10
  EXPECT_EQ(w.push("a", 1, 5), 10);                                // 11
  EXPECT_EQ(w.queue.size(), 5);
}

TEST(RequestQueue, AFullEmptyOneTakesNobody) {
  Waiting w;
  EXPECT_THROW(w.push("a", 0, 0), BusyError);
  EXPECT_TRUE(w.queue.empty());
}

TEST(RequestQueue, ThoseThatEndedComeOut) {
  Waiting w;
  SequencePtr s = w.make("a", 0);
  Ticket ticket(s->control);
  EXPECT_EQ(w.queue.push(std::move(s), 9), nullptr);
  w.push("a");
  EXPECT_FALSE(w.queue.any_ended(Clock::now()));
  ticket.cancel();
  EXPECT_TRUE(w.queue.any_ended(Clock::now()));
  EXPECT_EQ(w.queue.take_ended(Clock::now()).size(), 1u);
  EXPECT_EQ(w.queue.size(), 1);
  EXPECT_EQ(w.queue.take_all().size(), 1u);
  EXPECT_TRUE(w.queue.empty());
}

}  // namespace
}  // namespace uma

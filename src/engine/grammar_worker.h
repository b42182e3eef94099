#pragma once
// A thread that finds what may come next in the answers of a scheduler that are held to a grammar, so that a
// hard grammar keeps them waiting and nobody else.
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/answer_grammar.h"
#include "engine/clock.h"

namespace uma {

class GrammarWorker {
 public:
  /// on_found: called on the worker's thread after each.
  explicit GrammarWorker(std::function<void()> on_found) : on_found_(std::move(on_found)) {}
  /// Does not do what still waits.
  ~GrammarWorker();
  GrammarWorker(const GrammarWorker&) = delete;
  GrammarWorker& operator=(const GrammarWorker&) = delete;

  /// Any thread. The thread is started with the first; most servers never see one.
  void add(std::shared_ptr<AnswerGrammar> grammar);
  /// Waits until all is found, but no longer than `most`.
  void wait(Clock::duration most);

 private:
  void run();

  const std::function<void()> on_found_;
  std::mutex mutex_;
  std::condition_variable changed_, idle_;
  std::deque<std::shared_ptr<AnswerGrammar>> tasks_;
  bool busy_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace uma

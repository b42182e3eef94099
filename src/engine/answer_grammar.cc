#include "engine/answer_grammar.h"

namespace uma {

void AnswerGrammar::put(int32_t token) {
  token_ = token;
  ready_.store(false, std::memory_order_relaxed);
}

void AnswerGrammar::find() {
  if (ready()) return;
  try {
    if (matcher_) {
      matcher_->accept(token_);
    } else {
      matcher_.emplace(grammar_, trie_);
    }
    finished_ = matcher_->is_finished();
    mask_ = finished_ ? nullptr : matcher_->mask();
  } catch (...) {
    error_ = std::current_exception();
  }
  ready_.store(true, std::memory_order_release);
}

const TokenMask& AnswerGrammar::mask() const {
  if (error_) std::rethrow_exception(error_);
  return *mask_;
}

}  // namespace uma

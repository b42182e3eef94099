#include "grammar/grammar.h"

#include <mutex>
#include <vector>

#include "grammar/json_values.h"
#include "grammar/masks.h"

namespace uma {

struct Grammar::Cache {
  std::mutex mutex;
  struct Entry {
    std::weak_ptr<const TokenTrie> trie;
    std::shared_ptr<grammar::Masks> masks;
  };
  std::vector<Entry> entries;
};

Grammar::Grammar(const grammar::Rules& rules, std::string_view op)
    : Grammar(grammar::Automaton::compile(rules, op)) {}

Grammar::Grammar(grammar::Automaton automaton)
    : automaton_(std::make_unique<grammar::Automaton>(std::move(automaton))),
      cache_(std::make_unique<Cache>()) {}

Grammar::~Grammar() = default;

bool Grammar::matches(std::string_view text) const {
  grammar::Configs configs(*automaton_);
  grammar::ConfigId c = configs.start();
  for (const char b : text) c = configs.step(c, static_cast<uint8_t>(b));
  return configs[c].done;
}

std::shared_ptr<grammar::Masks> Grammar::masks_for(const std::shared_ptr<const TokenTrie>& trie) const {
  std::lock_guard lock(cache_->mutex);
  std::erase_if(cache_->entries, [](const Cache::Entry& e) { return e.trie.expired(); });
  for (const Cache::Entry& e : cache_->entries)
    if (e.trie.lock() == trie) return e.masks;
  return cache_->entries.emplace_back(trie, std::make_shared<grammar::Masks>(*automaton_, *trie)).masks;
}

std::shared_ptr<const Grammar> Grammar::either(const Grammar& a, const Grammar& b) {
  return std::make_shared<const Grammar>(grammar::Automaton::either(a.automaton(), b.automaton()));
}

std::shared_ptr<const Grammar> Grammar::json() {
  static const auto grammar = [] {
    grammar::Rules rules;
    const uint32_t root = rules.declare("root");
    grammar::JsonValues values(rules);
    rules.rules[root].body = values.object();
    return std::make_shared<const Grammar>(rules, "json");
  }();
  return grammar;
}

}  // namespace uma

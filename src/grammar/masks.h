#pragma once
// The masks of one grammar over one vocabulary. A mask is put together of parts that do not depend on the
// whole stack: tokens that stay inside the rule on top of it are found once for each set of states there, and
// only those that leave the rule are looked at again with what waits below.
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "grammar/configs.h"
#include "grammar/matcher.h"

namespace uma::grammar {

class Masks {
 public:
  /// Both must outlive this.
  Masks(const Automaton& automaton, const TokenTrie& trie) : automaton_(automaton), trie_(trie) {}

  void begin(GrammarMatcher& matcher);
  std::shared_ptr<const TokenMask> mask(GrammarMatcher& matcher);
  void accept(GrammarMatcher& matcher, int32_t token);

 private:
  struct Inside {  // a rule
    std::shared_ptr<const TokenMask> mask;
    std::vector<uint32_t> leaving;  // nodes of the trie after which the rule may end and the token goes on
  };
  /// What has been found so far; when it is too much a new one begins, and matchers move over.
  struct Generation {
    explicit Generation(const Automaton& automaton) : configs(automaton) {}
    Configs configs;
    std::unordered_map<ConfigId, std::shared_ptr<const TokenMask>> masks;
    std::unordered_map<ConfigId, Inside> inside;
    size_t mask_bytes = 0;
  };

  Generation& generation_of(GrammarMatcher& matcher);
  std::shared_ptr<const TokenMask> make_mask(Generation& g, ConfigId config);
  const Inside& inside_of(Generation& g, ConfigId config);
  void walk(Generation& g, uint32_t node, uint32_t end, ConfigId start, TokenMask& mask,
            std::vector<uint32_t>* leaving);
  static void look(const Generation& g, GrammarMatcher& matcher);

  const Automaton& automaton_;
  const TokenTrie& trie_;
  std::mutex mutex_;
  std::shared_ptr<Generation> newest_;
  std::vector<ConfigId> path_;  // of a walk, by depth
};

}  // namespace uma::grammar

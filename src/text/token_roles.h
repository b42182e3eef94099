#pragma once
// What a token is for, as llama.cpp sees it: the file's types and ids, corrected by what is known of tokens
// by their text. Files of many models mark a token that ends an answer as an ordinary one.
#include <cstdint>
#include <vector>

namespace uma {

struct VocabData;

/// Bits; a token may have several. None: the file gives it no known type.
enum TokenRole : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 4,
  kUserDefined = 8,
  kUnused = 16,
  kByte = 32,
};

struct TokenRoles {
  std::vector<uint8_t> roles;    // by id
  std::vector<int32_t> end_ids;  // tokens that end an answer; sorted
};

TokenRoles find_token_roles(const VocabData& data);

}  // namespace uma

#pragma once
// A file that a client sends, before a model is made of it. It grows under a name of its own and gets the one
// of its hash when it is whole: a process that is killed leaves nothing that could be taken for a model.
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "hub/hub.h"

namespace uma::hub {

class Upload {
 public:
  /// Into the store's folder `uploads`; what was left there for over a day goes. Throws InvalidArgument for a
  /// hash that is none, LocalError.
  Upload(const StoreConfig& store, const std::string& sha256);
  /// Without finish(), nothing is left of it.
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  /// Throws LocalError: the disk is full.
  void append(std::span<const uint8_t> bytes);
  /// Throws Format where the bytes have another hash, in Ollama's words.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace uma::hub

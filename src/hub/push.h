#pragma once
// A model of the store sent to another uma server, by its own calls for blobs and models.
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "hub/hub.h"

namespace uma::hub {

struct PushOptions {
  std::string to;        // http(s)://HOST[:PORT] of the other server
  std::string name;      // the model's there; empty: as here
  std::string key;       // the other server's, or ""
  bool offline = false;  // UMA_OFFLINE in the environment sets it too
  /// Bytes that the other server has, of how many, at the beginning, as they go, and at the end.
  std::function<void(const ModelRecord& model, int64_t done, int64_t total)> on_progress;
  /// The file is there: what the model is called follows.
  std::function<void()> on_sent;
  /// Looked at every 100 ms; once true, push throws Cancelled.
  const std::atomic<bool>* cancel = nullptr;
};

struct PushResult {
  ModelRecord model;
  std::string name;      // there
  bool already = false;  // the file was there: only the model was made
  int64_t uploaded_bytes = 0;
};

/// A file that the other server has, by its hash, is not sent again, so a push that broke is taken up by the
/// next one. What the model was made with (Store::create's settings, licence) goes with it. Throws as
/// Store::find; InvalidArgument: no address, a catalogue's name (the other server pulls it itself), what the
/// other server refuses, in its words; Io: it cannot be reached, the file is gone; Unsupported: offline;
/// Cancelled.
PushResult push(const StoreConfig& store, std::string_view model, const PushOptions& options);

}  // namespace uma::hub

#pragma once
// What Store's member functions share: where things lie, and what the database says of them.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "hub/database.h"
#include "hub/hub.h"

namespace uma::hub {

struct StoreState {
  StoreConfig config;

  std::filesystem::path database() const { return config.home / "uma.db"; }
  std::filesystem::path blobs() const { return config.home / "blobs"; }
  std::filesystem::path partial() const { return config.home / "partial"; }
  std::filesystem::path uploads() const { return config.home / "uploads"; }
  std::filesystem::path upload(std::string_view sha256) const;
  std::filesystem::path blob(const std::string& sha256) const;

  /// The file is there and has the recorded size.
  bool present(const ModelRow& row) const;
  ModelRecord record(const ModelRow& row) const;
  /// The row of a name, else of the catalogue name that it is an alias of.
  std::optional<ModelRow> look_up(const Database& db, std::string_view name) const;
  /// Throws as Store::find.
  ModelRow require(const Database& db, std::string_view name) const;
  /// Throws NotFound with what to type instead.
  [[noreturn]] void fail_unknown(const Database& db, std::string_view name) const;
  /// What an interrupted pull of a catalogue model left, if the model itself is not here. Throws Io if a
  /// pull of it runs.
  std::optional<ModelRecord> remove_unfinished(std::string_view name) const;
  /// Removes the files that no name stands for.
  void sweep(Database& db) const;
};

struct Store::State : StoreState {};

/// The name of a catalogue model's folder in partial.
std::string key_of(const CatalogueRow& row);

/// https://..., or hf.co/..., rather than a name or a path.
bool is_address(std::string_view model);

}  // namespace uma::hub

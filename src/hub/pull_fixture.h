#pragma once
// A store with one made-up model and the checks that every test of pull makes.
#include <atomic>
#include <string>
#include <vector>

#include "hub/hub.h"
#include "hub/testing.h"

namespace uma::hub::testing {

constexpr size_t kSize = 300'000;  // of the model: several reads, and still fast

class PullTest : public ::testing::Test {
 protected:
  PullTest() {
    row = row_for("tiny:1", model);
    row.aliases = {"tiny"};
    config.home = folder.path / "home";
    config.catalogue = &catalogue;
    config.connect_timeout_ms = 2000;
    config.idle_timeout_ms = 300;
    config.retry_pause_ms = 1;
  }
  Store store() {
    catalogue = {row};
    return Store(config);
  }
  PullOptions options() {
    PullOptions o;
    o.on_note = [this](std::string_view line) { notes += std::string(line) + "\n"; };
    o.on_progress = [this](const Progress& p) {
      progress.push_back({p.stage, p.done_bytes, p.total_bytes, {}});
    };
    return o;
  }
  void expect_stored(const PullResult& result) {
    EXPECT_EQ(result.model.name, "tiny:1");
    EXPECT_TRUE(read_file(result.model.path) == model);
    EXPECT_EQ(store().resolve("tiny"), result.model.path);
    EXPECT_EQ(count_files(config.home / "partial"), 0);
    EXPECT_EQ(count_files(config.home / "blobs"), 1);
  }
  void expect_nothing_stored() {
    EXPECT_TRUE(store().list().empty());
    EXPECT_EQ(count_files(config.home / "blobs"), 0);
  }
  void expect(const Error& e, ErrorCode code, const std::string& words) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
  }

  const EnvironmentScope no_offline{"UMA_OFFLINE", nullptr}, no_proxy{"NO_PROXY", "*"},
      no_proxy2{"no_proxy", "*"};
  const std::string model = fake_model(kSize);
  TempFolder folder;
  CatalogueRow row;
  Catalogue catalogue;
  StoreConfig config;
  std::string notes;
  std::vector<Progress> progress;
};

}  // namespace uma::hub::testing

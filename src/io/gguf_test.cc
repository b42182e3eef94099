// Valid files say what was written into them; every way of breaking the format gives one sentence that names
// the file, the place and the rule, and takes no memory on the file's word.
#include "io/gguf.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "io/testing.h"

namespace uma {
namespace {

using namespace testing_files;

GgufBuilder small() {
  GgufBuilder b;
  b.set("general.architecture", "test")
      .set("a.u8", uint8_t{200})
      .set("a.i8", int8_t{-3})
      .set("a.u64", uint64_t{1} << 63)
      .set("a.i64", int64_t{-5})
      .set("a.f32", 1.5f)
      .set("a.f64", -2.25)
      .set("a.bool", true)
      .set("a.words", std::vector<std::string>{"x", "", "three"})
      .set("a.floats", std::vector<float>{1, 2})
      .set("a.ints", std::vector<int16_t>{-1, 7});
  b.add({"w", {32, 2}, 8, std::string(68, '\1')});  // Q8_0
  b.add({"v", {3}, 0, std::string(12, '\2')});
  return b;
}

class Gguf : public testing::Test {
 protected:
  std::string error(const GgufBuilder& builder) { return error(builder.bytes()); }
  std::string error(std::string_view bytes) {
    folder_.write("F", bytes);
    return sentence_of(folder_, [&] { GgufFile::open(folder_.path("F")); });
  }
  Folder folder_;
};

TEST_F(Gguf, SaysWhatWasWritten) {
  const auto file = GgufFile::open(folder_.write("F", small().bytes()));
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->alignment(), 32);
  EXPECT_EQ(file->entries().size(), 11u);
  EXPECT_EQ(file->find_string("general.architecture"), "test");
  EXPECT_EQ(file->find_uint("a.u8"), 200u);
  EXPECT_EQ(file->find_uint("a.i8"), std::nullopt);
  EXPECT_EQ(file->find_int("a.i8"), -3);
  EXPECT_EQ(file->find_uint("a.u64"), uint64_t{1} << 63);
  EXPECT_EQ(file->find_int("a.u64"), std::nullopt);
  EXPECT_EQ(file->find_int("a.i64"), -5);
  EXPECT_EQ(file->find_float("a.f32"), 1.5);
  EXPECT_EQ(file->find_float("a.f64"), -2.25);
  EXPECT_EQ(file->find_float("a.u8"), std::nullopt);
  EXPECT_EQ(file->find_bool("a.bool"), true);
  EXPECT_EQ(file->find_strings("a.words"), (std::vector<std::string_view>{"x", "", "three"}));
  EXPECT_EQ(file->find_floats("a.floats"), (std::vector<float>{1, 2}));
  EXPECT_EQ(file->find_ints("a.ints"), (std::vector<int32_t>{-1, 7}));
  EXPECT_EQ(file->find_ints("a.words"), std::nullopt);
  EXPECT_EQ(file->find_string("missing"), std::nullopt);
  EXPECT_EQ(file->to_text(*file->find("a.words"), 2), "['x', '', ...] (3 of string)");
  EXPECT_EQ(file->to_text(*file->find("a.i8")), "-3");
  const GgufTensor* const w = file->find_tensor("w");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->shape, (std::vector<int64_t>{32, 2}));
  EXPECT_EQ(w->type_name(), "Q8_0");
  EXPECT_EQ(w->data.size(), 68u);
  const GgufTensor* const v = file->find_tensor("v");
  ASSERT_NE(v, nullptr);
  EXPECT_EQ(v->offset, 96);
  EXPECT_EQ(v->data.front(), 2);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(v->data.data()) % 32, 0u);
  EXPECT_EQ(file->find_tensor("u"), nullptr);
}

TEST_F(Gguf, EveryPrefixIsRefused) {
  const std::string whole = small().bytes();
  for (size_t n = 0; n < whole.size(); ++n) {
    const std::string text = error(std::string_view(whole).substr(0, n));
    EXPECT_TRUE(text.starts_with("[gguf] F: ")) << n << ": " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos);
  }
  EXPECT_EQ(error(whole), "");
}

TEST_F(Gguf, MagicAndVersions) {
  const auto with_version = [](uint32_t version) {
    GgufBuilder b = small();
    b.version = version;
    return b;
  };
  GgufBuilder b = small();
  b.magic = "GGML";
  EXPECT_EQ(error(b), "[gguf] F: the first four bytes are not 'GGUF', so this is another kind of file");
  b.magic = "FUGG";
  EXPECT_EQ(error(b), "[gguf] F: the first four bytes are not 'GGUF', so this is another kind of file");
  EXPECT_EQ(error(with_version(0)), "[gguf] F: version 0 of the format is unknown; this build reads 2 and 3");
  EXPECT_EQ(error(with_version(1)), "[gguf] F: version 1 of the format is too old; convert the model again");
  EXPECT_EQ(error(with_version(2)), "");
  EXPECT_EQ(error(with_version(4)), "[gguf] F: version 4 of the format is unknown; this build reads 2 and 3");
  EXPECT_EQ(error(with_version(0x03000000)),
            "[gguf] F: the file is big-endian; convert it on the machine that it is for");
  EXPECT_EQ(error(with_version(UINT32_MAX)),
            "[gguf] F: version 4294967295 of the format is unknown; this build reads 2 and 3");
}

constexpr uint64_t kHuge[] = {uint64_t{1} << 31, uint64_t{1} << 32, uint64_t{1} << 62, uint64_t{1} << 63,
                              UINT64_MAX};

TEST_F(Gguf, CountsAndLengthsBeyondTheFile) {
  for (const uint64_t n : kHuge) {
    GgufBuilder b = small();
    b.stated_tensors = n;
    EXPECT_TRUE(error(b).starts_with(fmt::format("[gguf] F: {} tensors and 11 keys are stated", n)))
        << error(b);
    b = small();
    b.stated_entries = n;
    EXPECT_TRUE(error(b).starts_with(fmt::format("[gguf] F: 2 tensors and {} keys are stated", n)))
        << error(b);

    // One that would fit a file of this size, and is not there.
    b = GgufBuilder();
    b.raw("k", GgufType::string, bytes_of_value(n) + "abc");
    EXPECT_EQ(error(b), fmt::format("[gguf] F: a string at byte 45 needs {} bytes, the file has 3 left", n));
    b = GgufBuilder();
    b.set_array("k", GgufType::u8, n, "abc");
    EXPECT_EQ(error(b),
              fmt::format("[gguf] F: key 'k' states {} elements, more than the 3 bytes left can hold", n));
    b = GgufBuilder();
    b.set_array("k", GgufType::string, n, GgufBuilder::string("abc"));
    EXPECT_EQ(error(b),
              fmt::format("[gguf] F: key 'k' states {} elements, more than the 11 bytes left can hold", n));
    b = GgufBuilder();
    b.set_array("k", GgufType::string, 1, bytes_of_value(n));
    EXPECT_EQ(error(b), fmt::format("[gguf] F: a string at byte 57 needs {} bytes, the file has 0 left", n));

    const std::string head = "GGUF" + bytes_of_value(3u);
    const std::string name = bytes_of_value(n) + std::string(32, 'n');
    EXPECT_EQ(error(head + bytes_of_value<uint64_t>(1) + bytes_of_value<uint64_t>(0) + name),
              fmt::format("[gguf] F: a tensor's name at byte 32 needs {} bytes, the file has 32 left", n));
    EXPECT_EQ(error(head + bytes_of_value<uint64_t>(0) + bytes_of_value<uint64_t>(1) + name),
              fmt::format("[gguf] F: a key at byte 32 needs {} bytes, the file has 32 left", n));
  }
}

TEST_F(Gguf, KeysAndTheirTypes) {
  GgufBuilder b;
  b.raw("k", 13, "abcd");
  EXPECT_EQ(error(b), "[gguf] F: key 'k' has the unknown value type 13");
  b.raw("k", UINT32_MAX, "abcd");
  EXPECT_EQ(error(b), "[gguf] F: key 'k' has the unknown value type 4294967295");
  b.set_array("k", GgufType::array, 1, std::string(20, '\0'));
  EXPECT_EQ(error(b), "[gguf] F: key 'k' is an array of arrays");
  b.set_array("k", static_cast<GgufType>(99), 1, "abcd");
  EXPECT_EQ(error(b), "[gguf] F: key 'k' has the unknown value type 99");
  b.raw("k", GgufType::boolean, "\2");
  EXPECT_EQ(error(b), "[gguf] F: key 'k' holds the bool 2, which is neither 0 nor 1");
  b.set_array("k", GgufType::boolean, 2, std::string("\1\xff", 2));
  EXPECT_EQ(error(b), "[gguf] F: key 'k' holds the bool 255, which is neither 0 nor 1");
  b.entries = {{"k", 0, "a"}, {"k", 0, "b"}};
  EXPECT_EQ(error(b), "[gguf] F: key 'k' comes twice");
  b.entries = {{"", 0, "a"}};
  EXPECT_EQ(error(b), "[gguf] F: the key before byte 32 is empty, too long or not UTF-8");
  b.entries = {{"\xff", 0, "a"}};
  EXPECT_EQ(error(b), "[gguf] F: the key before byte 33 is empty, too long or not UTF-8");
  b.entries = {{std::string(65536, 'k'), 0, "a"}};
  EXPECT_EQ(error(b), "[gguf] F: the key before byte 65568 is empty, too long or not UTF-8");
  // Controls of a terminal stay out of sentences.
  b.entries = {{"k\x1b[2J\n", 77, "a"}};
  EXPECT_EQ(error(b), "[gguf] F: key 'k?[2J?' has the unknown value type 77");
}

TEST_F(Gguf, Tensors) {
  const auto one = [&](GgufBuilder::Tensor tensor) {
    GgufBuilder b;
    b.add({"first", {8}, 0, std::string(32, 'x')});
    return error(b.add(std::move(tensor)));
  };
  const std::string data(32, 'x');
  EXPECT_EQ(one({"t", {8}, 0, data}), "");
  EXPECT_EQ(one({"first", {8}, 0, data}), "[gguf] F: tensor 'first' comes twice");
  EXPECT_EQ(one({"", {8}, 0, data}),
            "[gguf] F: the tensor name before byte 69 is empty, over 64 bytes or not UTF-8");
  EXPECT_EQ(one({std::string(65, 'n'), {8}, 0, data}),
            "[gguf] F: the tensor name before byte 134 is empty, over 64 bytes or not UTF-8");
  EXPECT_EQ(one({"\xc3", {8}, 0, data}),
            "[gguf] F: the tensor name before byte 70 is empty, over 64 bytes or not UTF-8");
  EXPECT_EQ(one({"t", {}, 0, data}), "[gguf] F: tensor 't' has 0 dimensions, not 1 to 4");
  EXPECT_EQ(one({"t", {1, 1, 1, 1, 8}, 0, data}), "[gguf] F: tensor 't' has 5 dimensions, not 1 to 4");
  EXPECT_EQ(one({"t", {8}, 0, data, {}, UINT32_MAX}),
            "[gguf] F: tensor 't' has 4294967295 dimensions, not 1 to 4");
  EXPECT_EQ(one({"t", {0}, 0, data}), "[gguf] F: tensor 't' has the extent 0");
  EXPECT_EQ(one({"t", {8, 0}, 0, data}), "[gguf] F: tensor 't' has the extent 0");
  EXPECT_EQ(one({"t", {static_cast<uint64_t>(-8)}, 0, data}), "[gguf] F: tensor 't' has the extent -8");
  EXPECT_EQ(one({"t", {uint64_t{1} << 63}, 0, data}),
            "[gguf] F: tensor 't' has the extent -9223372036854775808");
  EXPECT_EQ(one({"t", {uint64_t{1} << 62, 4}, 0, data}),
            "[gguf] F: tensor 't' of shape (4611686018427387904, 4) has more bytes than 64 bits can count");
  EXPECT_EQ(one({"t", {uint64_t{1} << 32, uint64_t{1} << 32}, 0, data}),
            "[gguf] F: tensor 't' of shape (4294967296, 4294967296) has more bytes than 64 bits can count");
  // 2^61 elements of 4 bytes: the product of the extents fits, that with the size of one does not.
  EXPECT_EQ(one({"t", {uint64_t{1} << 61}, 0, data}),
            "[gguf] F: tensor 't' of shape (2305843009213693952,) has more bytes than 64 bits can count");
  EXPECT_EQ(one({"t", {31}, 8, data}),
            "[gguf] F: tensor 't' has rows of 31, not a multiple of Q8_0's block of 32");
  EXPECT_EQ(one({"t", {33}, 8, data}),
            "[gguf] F: tensor 't' has rows of 33, not a multiple of Q8_0's block of 32");
  EXPECT_EQ(one({"t", {16, 2}, 8, data}),
            "[gguf] F: tensor 't' has rows of 16, not a multiple of Q8_0's block of 32");
  for (const uint32_t type : {4u, 5u, 31u, 42u, 255u, UINT32_MAX})
    EXPECT_EQ(one({"t", {8}, type, data}), fmt::format("[gguf] F: tensor 't' has the unknown type {}", type));
}

TEST_F(Gguf, Offsets) {
  const auto at = [&](uint64_t offset) {
    GgufBuilder b;
    b.add({"first", {16}, 0, std::string(64, 'x')});
    return error(b.add({"t", {8}, 0, std::string(32, 'x'), offset}));
  };
  EXPECT_EQ(at(64), "");
  EXPECT_EQ(at(65), "[gguf] F: tensor 't' has the offset 65, not a multiple of 32");
  EXPECT_EQ(at(4), "[gguf] F: tensor 't' has the offset 4, not a multiple of 32");
  EXPECT_EQ(at(32), "[gguf] F: tensors 'first' and 't' overlap");
  EXPECT_EQ(at(0), "[gguf] F: tensors 'first' and 't' overlap");
  EXPECT_EQ(at(96), "[gguf] F: tensor 't' ends 32 bytes after offset 96, past the end of the file at 192");
  const uint64_t last = (uint64_t{1} << 63) - 32;
  EXPECT_EQ(at(last),
            "[gguf] F: tensor 't' ends 32 bytes after offset 9223372036854775776, past the end of "
            "the file at 192");
  for (const uint64_t offset : {uint64_t{1} << 63, UINT64_MAX - 31, UINT64_MAX})
    EXPECT_EQ(at(offset),
              fmt::format("[gguf] F: tensor 't' has the offset {}, past the end of any file", offset));
}

TEST_F(Gguf, Alignment) {
  const auto with = [&](auto value) { return error(small().set("general.alignment", value)); };
  for (const uint32_t bad : {0u, 1u, 3u, 4u, 48u, 1u << 21, 1u << 31, UINT32_MAX})
    EXPECT_EQ(with(bad), fmt::format("[gguf] F: alignment {} is not a power of two from 8 to 1048576", bad));
  EXPECT_EQ(with(32.f), "[gguf] F: key 'general.alignment' is no u32");
  EXPECT_EQ(with(uint64_t{32}), "[gguf] F: key 'general.alignment' is no u32");
  EXPECT_EQ(with(int32_t{-32}), "[gguf] F: key 'general.alignment' is no u32");
  EXPECT_EQ(with("32"), "[gguf] F: key 'general.alignment' is no u32");
  EXPECT_EQ(with(std::vector<uint32_t>{32}), "[gguf] F: key 'general.alignment' is no u32");
  for (const uint32_t good : {8u, 64u, 4096u}) {
    GgufBuilder b = small();
    b.alignment = good;
    EXPECT_EQ(error(b.set("general.alignment", good)), "");
  }
}

// A quarter of the file's size is no bound, ten times it is: maps of names cost more than the names.
TEST_F(Gguf, MemoryIsBoundedByTheFile) {
  GgufBuilder b;
  std::string bytes = "GGUF" + bytes_of_value(3u) + bytes_of_value<uint64_t>(0);
  constexpr uint64_t kKeys = 200'000;
  bytes += bytes_of_value(kKeys);
  for (uint64_t i = 0; i < kKeys; ++i)
    bytes += GgufBuilder::string(fmt::format("{:x}", i)) + std::string(5, '\0');
  const std::string path = folder_.write("F", bytes);
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const auto file = GgufFile::open(path);
  getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(file->entries().size(), kKeys);
  EXPECT_LT((after.ru_maxrss - before.ru_maxrss) * 1024, static_cast<long>(20 * bytes.size()));
}

class Split : public testing::Test {
 protected:
  static GgufBuilder shard(uint16_t number, uint16_t count, const std::string& tensor) {
    GgufBuilder b;
    b.set("split.no", number).set("split.count", count).set("split.tensors.count", int32_t{3});
    b.add({tensor, {8}, 0, std::string(32, static_cast<char>('a' + number))});
    return b;
  }
  static std::string name(int number) { return fmt::format("m-{:05}-of-00003.gguf", number); }
  void write(int place, const GgufBuilder& b) { folder_.write(name(place), b.bytes()); }
  void write_all() {
    for (uint16_t i = 0; i < 3; ++i) write(i + 1, shard(i, 3, fmt::format("t{}", i)));
  }
  std::string error() {
    return sentence_of(folder_, [&] { GgufFile::open(folder_.path(name(1))); });
  }
  Folder folder_;
};

TEST_F(Split, ShardsAreOneFile) {
  write_all();
  const auto file = GgufFile::open(folder_.path(name(1)));
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->find_tensor("t2")->data.back(), 'c');
  int64_t bytes = 0;
  for (int i = 1; i <= 3; ++i)
    bytes += static_cast<int64_t>(std::filesystem::file_size(folder_.path(name(i))));
  EXPECT_EQ(file->bytes(), bytes);
}

TEST_F(Split, MissingShard) {
  write_all();
  std::filesystem::remove(folder_.path(name(2)));
  EXPECT_EQ(error(), "[gguf] m-00001-of-00003.gguf: shard 2 of 3 is missing: m-00002-of-00003.gguf");
}

TEST_F(Split, DuplicatedOrSwappedShard) {
  write_all();
  write(2, shard(2, 3, "t2"));
  EXPECT_EQ(error(), "[gguf] m-00002-of-00003.gguf: this file does not say that it is shard 2 of 3");
  write(2, shard(0, 3, "t0"));
  EXPECT_EQ(error(), "[gguf] m-00002-of-00003.gguf: this file does not say that it is shard 2 of 3");
  write(2, shard(1, 3, "t0"));
  EXPECT_EQ(error(), "[gguf] m-00002-of-00003.gguf: tensor 't0' is in another shard as well");
  write(2, shard(1, 2, "t1"));
  EXPECT_EQ(error(), "[gguf] m-00002-of-00003.gguf: this file does not say that it is shard 2 of 3");
  write(2, GgufBuilder());
  EXPECT_EQ(error(), "[gguf] m-00002-of-00003.gguf: this file does not say that it is shard 2 of 3");
  folder_.write(name(2), "GGUF");
  EXPECT_EQ(error(),
            "[gguf] m-00002-of-00003.gguf: the version at byte 4 needs 4 bytes, the file has 0 left");
}

TEST_F(Split, NumbersThatDoNotNumber) {
  write_all();
  write(1, shard(1, 3, "t0"));
  EXPECT_EQ(error(), "[gguf] m-00001-of-00003.gguf: this is shard 2 of 3; open the first one");
  const std::string no_shard =
      "[gguf] m-00001-of-00003.gguf: 'split.count' and 'split.no' do not number a shard";
  write(1, shard(3, 3, "t0"));
  EXPECT_EQ(error(), no_shard);
  write(1, shard(0, 0, "t0"));
  EXPECT_EQ(error(), no_shard);
  write(1, shard(0, 3, "t0").set("split.count", UINT64_MAX));
  EXPECT_EQ(error(), no_shard);
  write(1, shard(0, 3, "t0").set("split.count", "three"));
  EXPECT_EQ(error(), no_shard);
  write(1, shard(0, 3, "t0").erase("split.no"));
  EXPECT_EQ(error(), no_shard);
  write(1, shard(0, 4, "t0"));
  EXPECT_EQ(error(),
            "[gguf] m-00001-of-00003.gguf: a model in 4 shards must be named NAME-00001-of-00004.gguf");
  write(1, shard(0, 3, "t0").set("split.tensors.count", 4));
  EXPECT_EQ(error(), "[gguf] m-00001-of-00003.gguf: 'split.tensors.count' is 4, the shards hold 3");
}

TEST_F(Gguf, FilesThatCannotBeOpened) {
  const auto open = [&](const std::string& path) {
    return sentence_of(folder_, [&] { GgufFile::open(path); });
  };
  EXPECT_EQ(open(folder_.path("none")), "[open] none: No such file or directory");
  EXPECT_TRUE(open(folder_.path("")).ends_with("is a folder, not a file"));
  EXPECT_EQ(open("/dev/zero"), "[open] /dev/zero is not a regular file");
  EXPECT_EQ(open(std::string("a\0b", 3)), "[open] a path must not hold a NUL byte");
  EXPECT_EQ(error(""), "[gguf] F: the magic 'GGUF' at byte 0 needs 4 bytes, the file has 0 left");
}

// The pages behind the new end read as zeros instead of ending the process.
TEST_F(Gguf, FileThatShrinksWhileItIsMapped) {
  GgufBuilder b = small();
  b.add({"big", {65536}, 0, std::string(65536 * 4, 'x')});
  const std::string path = folder_.write("F", b.bytes());
  const auto file = GgufFile::open(path);
  const auto other = GgufFile::open(folder_.write("G", small().bytes()));
  const auto data = file->find_tensor("big")->data, first = file->find_tensor("w")->data;
  std::filesystem::resize_file(path, 8192);
  int sum = 0;
  for (size_t i = 0; i < data.size(); i += 4096) sum += data[i];
  EXPECT_LT(sum, static_cast<int>('x') * 4);
  const auto check = [&](auto work) { return sentence_of(folder_, work); };
  EXPECT_EQ(check([&] { file->check_intact(); }), "[open] F became shorter while it was in use");
  EXPECT_EQ(check([&] { MappedFile::check_all(); }), "[open] F became shorter while it was in use");
  EXPECT_EQ(check([&] { other->check_intact(); }), "");
  // Once more, further down: the count of faulty files must not grow, or they would never be none again.
  std::filesystem::resize_file(path, 0);
  EXPECT_EQ(first[0], 0);
  EXPECT_EQ(file->find_tensor("w"), nullptr);  // its name was in the file, too
}

TEST_F(Gguf, ShrunkenFilesThatAreClosedNoLongerCount) {
  {
    const std::string path = folder_.write("F", std::string(100'000, 'x'));
    const auto file = MappedFile::open(path);
    std::filesystem::resize_file(path, 50'000);
    EXPECT_EQ(file->bytes()[90'000], 0);
    std::filesystem::resize_file(path, 0);
    EXPECT_EQ(file->bytes()[10], 0);
    EXPECT_THROW(MappedFile::check_all(), Error);
  }
  EXPECT_NO_THROW(MappedFile::check_all());
}

TEST_F(Gguf, StringsOfAFileThatIsRewrittenInPlace) {
  GgufBuilder b;
  const std::string path = folder_.write("F", b.set("k", "abcd").bytes());
  const auto file = GgufFile::open(path);
  std::string bytes = read_bytes(path);
  const std::string huge = bytes_of_value<uint64_t>(uint64_t{1} << 40);
  bytes.replace(bytes.find("abcd") - 8, 8, huge);
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out) << bytes;
  EXPECT_EQ(sentence_of(folder_, [&] { file->find_string("k"); }),
            "[gguf] F: the file was changed while it was in use");
}

}  // namespace
}  // namespace uma

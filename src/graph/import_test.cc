// Files that are not what they should be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "fast/attention.h"
#include "fast/quantized.h"
#include "fast/rope.h"
#include "graph/export.h"
#include "graph/export_format.h"
#include "graph/testing.h"
#include "ops/fft.h"
#include "ops/matmul.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/scatter.h"
#include "ops/search.h"
#include "ops/sort.h"

namespace uma {
namespace {

using testing::f64;
using ::testing::HasSubstr;
using testing::random_array;
using ::testing::StartsWith;
using testing_files::Folder;
using testing_files::read_bytes;
using testing_files::sentence_of;
using Arrays = std::vector<array>;

// Thousands of files are made here: on a disk that would take minutes.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : fd_(memfd_create("test", MFD_CLOEXEC)) {
    EXPECT_EQ(write(fd_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

class Import : public ::testing::Test {
 protected:
  std::string exported(const Function& f, const Arrays& x, bool shapeless = false) const {
    export_function(folder_.path("good"), f, x, shapeless);
    return read_bytes(folder_.path("good"));
  }
  /// What is wrong with a file of these bytes, and "" where nothing is.
  std::string error(std::string_view bytes) const {
    folder_.write("F", bytes);
    return sentence_of(folder_, [&] { import_function(folder_.path("F")); });
  }
  /// Reads the file and, if it can be read, calls what it holds. All errors are sentences.
  void survive(std::string_view bytes, const Arrays& x) const {
    const MemoryFile file(bytes);
    try {
      const ImportedFunction f = import_function(file.path());
      for (const array& a : f(x))
        if (a.size() < 1 << 20) eval(a);
    } catch (const Error& e) {
      EXPECT_NE(e.code(), ErrorCode::kInternal) << e.what();
      EXPECT_EQ(e.message().find('\n'), e.message().npos) << e.what();
    }
  }
  Folder folder_;
};

Arrays small(const Arrays& x) {
  const array y = sum(matmul(x[0], f64({1, 2, 3, 4}, {2, 2})), {1}, true);
  return {reshape(slice_axis(y + x[0], 1, 0, 1), {2}), transpose(x[0])};
}
Arrays many(const Arrays& x) {
  const array wide = reshape(astype(x[0], DType::float32), {1, 1, 2, 2});
  const array rows = array({1, 0});
  return {scaled_dot_product_attention(wide, wide, wide, {.scale = 0.5f, .causal = true}),
          rope(wide, 2, true, 100, 1, 0),
          fft::rfft(reshape(wide, {4})),
          random::uniform(0, 1, {3}, DType::float32, random::key(1)),
          scatter(x[0], {rows}, f64({1, 2}, {2, 1}) + x[0], {0}, ScatterMode::add),
          searchsorted(f64({1, 2}), x[0]),
          take(x[0], rows, 1),
          cumsum(x[0], 0),
          argmax(x[0], 1)};
}

TEST_F(Import, EveryPrefixIsAnError) {
  const std::string good = exported(small, {f64({1, 2, 3, 4}, {2, 2})});
  EXPECT_EQ(error(good), "");
  for (size_t n = 0; n < good.size(); ++n) {
    const MemoryFile file(std::string_view(good).substr(0, n));
    const std::string text = sentence_of(folder_, [&] { import_function(file.path()); });
    EXPECT_THAT(text, StartsWith("[import_function] " + file.path() + ": ")) << n;
  }
  EXPECT_THAT(error(good + '\0'), HasSubstr("1 bytes behind the last constant"));
}

// Every byte, by each of its bits and by values that are often too many.
TEST_F(Import, EveryByteSpoiled) {
  for (const bool shapeless : {false, true})
    for (const Function& f : {Function(small), Function(many)}) {
      const Arrays x{f64({1, 2, 3, 4}, {2, 2})};
      const std::string good = exported(f, x, shapeless);
      for (size_t i = 0; i < good.size(); ++i)
        for (const int flip : {0x01, 0x10, 0x80, 0xff}) {
          std::string bad = good;
          bad[i] = static_cast<char>(bad[i] ^ flip);
          survive(bad, x);
        }
    }
}

// Every word of the header, by numbers at the edges.
TEST_F(Import, EveryWordSpoiled) {
  const Arrays x{f64({1, 2, 3, 4}, {2, 2})};
  const std::string good = exported(many, x);
  const int64_t edges[] = {0, 1, 255, INT32_MAX, INT64_MAX, -1, int64_t{1} << 40};
  for (size_t i = exported::kMagic.size(); i + 8 <= good.size(); ++i)
    for (const int64_t edge : edges) {
      std::string bad = good;
      std::memcpy(bad.data() + i, &edge, sizeof edge);
      survive(bad, x);
    }
}

// A file by its words.
class Words {
 public:
  Words& word(uint64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Words& words(std::initializer_list<uint64_t> values) {
    for (const uint64_t v : values) word(v);
    return *this;
  }
  Words& text(std::string_view value) {
    word(value.size());
    bytes_ += value;
    return *this;
  }
  std::string file() const {
    Words front;
    front.word(exported::kVersion).word(bytes_.size());
    return std::string(exported::kMagic) + front.bytes_ + bytes_;
  }

 private:
  std::string bytes_;
};

constexpr uint64_t kF32 = static_cast<uint64_t>(DType::float32);

/// The header of a file of one op and no constants up to the arguments: two of float32 (3).
Words one_op(std::string_view op) {
  return Words().text("").word(1).text(op).word(0).words({1, 0, 2, 0, kF32, 1, 3, kF32, 1, 3, 0});
}

TEST_F(Import, SentencesNameTheFileAndWhatIsWrong) {
  const auto of = [&](const Words& w) { return error(w.file()); };
  EXPECT_EQ(error("hello"),
            "[import_function] F: no file of functions: its begin is not 'uma fn?"
            "?'");
  EXPECT_EQ(error(std::string(exported::kMagic) + std::string(16, '\2')),
            "[import_function] F: version 144680345676153346, and this program reads 1");
  EXPECT_EQ(of(Words()), "[import_function] F: it ends before metadata");
  EXPECT_EQ(of(Words().text("\xff")), "[import_function] F: the metadata are not UTF-8");
  EXPECT_EQ(of(Words().text("").word(1).text("sinn").words({0, 0})),
            "[import_function] F: the op 'sinn' is not known here");
  EXPECT_EQ(of(Words().text("").words({0, 1u << 30})),
            "[import_function] F: 1073741824 constants are stated, and 0 bytes are left");
  EXPECT_EQ(of(Words().text("").words({0, 1, kF32, 1, 3, 0})),
            "[import_function] F: it ends before the constant float32 (3,): 12 bytes at 128 of 80");
  EXPECT_EQ(of(Words().text("").words({0, 1, 99, 1, 3, 0})),
            "[import_function] F: a dtype is 99, and there are 14");
  EXPECT_EQ(of(Words().text("").words({0, 1, kF32, 2, 1ull << 62, 4, 0})),
            "[import_function] F: a constant of shape (4611686018427387904, 4) has more bits than 63 bits "
            "can count");
  EXPECT_EQ(of(Words().text("").words({0, 0, 0, 7})), "[import_function] F: the header has 8 bytes too many");
  // Steps: op, inputs, outputs, parameters; results.
  EXPECT_EQ(of(one_op("add").words({1, 0, 2, 0, 1, 1, kF32, 1, 3, 0, 1, 2})), "");
  EXPECT_EQ(of(one_op("add").words({1, 0, 2, 0, 2, 1, kF32, 1, 3, 0, 1, 2})),
            "[import_function] F: the number of an array is 2, and there are 2");
  EXPECT_EQ(of(one_op("add").words({1, 0, 1, 0, 1, kF32, 1, 3, 0, 1, 2})),
            "[import_function] F: the op 'add' has 1 inputs");
  EXPECT_EQ(of(one_op("sin").words({1, 0, 2, 0, 1, 1, kF32, 1, 3, 0, 1, 2})),
            "[import_function] F: the op 'sin' has 2 inputs");
  EXPECT_EQ(of(one_op("add").words({1, 0, 2, 0, 1, 1, kF32, 1, 4, 0, 1, 2})),
            "[import_function] F: the op 'add' gives float32 of shape (3,) where float32 of shape (4,) was "
            "recorded");
  EXPECT_EQ(of(one_op("add").words({1, 0, 2, 0, 1, 1, kF32, 1, 3, 8, 9, 1, 2})),
            "[import_function] F: the op 'add' has 8 bytes of parameters too many");
  EXPECT_EQ(of(one_op("add").words({1, 1, 2, 0, 1, 1, kF32, 1, 3, 0, 1, 2})),
            "[import_function] F: the number of an op is 1, and there are 1");
  EXPECT_THAT(of(one_op("reshape").words({1, 0, 1, 0, 1, kF32, 1, 4, 16, 1, 4, 1, 2})),
              StartsWith("[import_function] F: the op 'reshape' "));
}

// Memory is bounded by the file: what is stated and not there is not allocated.
TEST_F(Import, ShapesBeyondAllMemory) {
  const auto huge =
      Words().text("").word(1).text("broadcast_to").word(0).words({1,  0, 1,          0, kF32,
                                                                   0,  0, 1,          0, 1,
                                                                   0,  1, kF32,       1, 1ull << 50,
                                                                   16, 1, 1ull << 50, 1, 1});
  folder_.write("F", huge.file());
  const Arrays out = import_function(folder_.path("F"))({array(1.0f)});
  EXPECT_EQ(out[0].shape(), (Shape{int64_t{1} << 50}));
}

}  // namespace
}  // namespace uma

// libFuzzer target of GGUF files: reading one, walking through all that it says, its vocabulary, the model in
// it and two steps of that model. Whatever the bytes are: a result, or one Error in one line.
#include <cmath>
#include <cstdlib>
#include <random>

#include "backend/install.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "fuzz.h"
#include "io/gguf.h"
#include "io/testing.h"
#include "models/open.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using uma::testing_files::GgufBuilder;

template <class Work>
bool attempt(Work work) {
  try {
    work();
    return true;
  } catch (const uma::Error& e) {
    expect_sentence(e, "");
    return false;
  }
}

void walk(const uma::GgufFile& file) {
  for (const uma::GgufEntry& entry : file.entries()) {
    file.to_text(entry, 4);
    file.find_uint(entry.key);
    file.find_float(entry.key);
    file.find_string(entry.key);
    file.find_strings(entry.key);
    file.find_floats(entry.key);
    file.find_ints(entry.key);
  }
  unsigned sum = 0;
  for (const uma::GgufTensor& tensor : file.tensors())
    for (const uint8_t byte : tensor.data) sum += byte;
  volatile unsigned sink = sum;
  (void)sink;
}

void use(const uma::Vocabulary& vocabulary) {
  const auto ids =
      vocabulary.tokenizer->encode("The <s>\n 1\u00e9", {.add_special = true, .parse_special = true});
  vocabulary.tokenizer->decode(ids, true);
  vocabulary.token_text(vocabulary.bos);
  vocabulary.token_text(vocabulary.eos);
  attempt([&] { uma::ChatTemplate::parse(vocabulary.chat_template); });
}

void step(const std::string& path, bool exact) {
  const auto model = uma::open_model(path, {.exact = exact});
  const auto cache = model->network->make_cache();
  const auto last = static_cast<int32_t>(model->config().vocab_size - 1);
  const std::vector<int32_t> prompt{0, last, 0}, next{last};
  model->network->forward(prompt, *cache).eval();
  if (model->network->forward(next, *cache).to_vector<float>().size() !=
      static_cast<size_t>(model->config().vocab_size))
    std::abort();
}

uint64_t number(std::mt19937& random) {
  static constexpr uint64_t kEdges[] = {0,          1,
                                        2,          3,
                                        7,          8,
                                        31,         33,
                                        255,        1u << 16,
                                        INT32_MAX,  1u << 31,
                                        UINT32_MAX, uint64_t{1} << 32,
                                        INT64_MAX,  uint64_t{1} << 63,
                                        UINT64_MAX};
  return random() % 2 ? kEdges[random() % std::size(kEdges)] : random() % 100;
}

/// One change of one entry or tensor that leaves the rest of the file in order.
void change(GgufBuilder& b, std::mt19937& random) {
  const auto mutate = [&](std::string& bytes, size_t more) {
    const size_t size = bytes.size();
    bytes.resize(size + more);
    bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), size, bytes.size()));
  };
  if (!b.entries.empty() && random() % 2) {
    const size_t i = random() % b.entries.size();
    GgufBuilder::Entry& entry = b.entries[i];
    switch (random() % 6) {
      case 0:
        b.entries.erase(b.entries.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      case 1:
        b.set(std::string(entry.key), static_cast<uint32_t>(number(random)));
        break;
      case 2:
        b.set(std::string(entry.key), random() % 2 ? std::nanf("") : static_cast<float>(number(random)));
        break;
      case 3:
        entry.key = b.entries[random() % b.entries.size()].key;
        break;
      case 4:
        mutate(entry.value, 0);
        break;
      default:
        if (entry.type == static_cast<uint32_t>(uma::GgufType::string) && entry.value.size() >= 8) {
          std::string text = entry.value.substr(8);
          mutate(text, 16);
          entry.value = GgufBuilder::string(text);
        }
    }
  } else if (!b.tensors.empty()) {
    const size_t i = random() % b.tensors.size();
    GgufBuilder::Tensor& tensor = b.tensors[i];
    switch (random() % 5) {
      case 0:
        b.tensors.erase(b.tensors.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      case 1:
        tensor.dims[random() % tensor.dims.size()] = number(random);
        break;
      case 2:
        tensor.type = static_cast<uint32_t>(random() % 45);
        break;
      case 3:
        tensor.offset = number(random) * 32;
        break;
      default:
        mutate(tensor.data, 0);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  uma::install_backends();
  uma::set_num_threads(1);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  std::mt19937 random(seed);
  if (random() % 4) {
    try {
      GgufBuilder builder = GgufBuilder::from(MemoryFile(data, size).path());
      for (unsigned n = 1 + random() % 3; n > 0; --n) change(builder, random);
      const std::string bytes = builder.bytes();
      if (bytes.size() <= max_size) {
        std::copy(bytes.begin(), bytes.end(), data);
        return bytes.size();
      }
    } catch (const uma::Error&) {  // no valid file: its bytes are changed below
    }
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  if (!attempt([&] { walk(*uma::GgufFile::open(file.path())); })) return 0;
  attempt([&] { use(*uma::load_vocabulary(file.path())); });
  attempt([&] { step(file.path(), size % 2 == 0); });
  return 0;
}

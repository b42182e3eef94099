#include <algorithm>
#include <cstring>
#include <set>

#include "base/utf8.h"
#include "core/mapped_file.h"
#include "graph/compile.h"
#include "graph/export.h"
#include "graph/export_format.h"
#include "graph/rules.h"
#include "io/mapped_array.h"

namespace uma {
namespace {

constexpr std::string_view kOp = "import_function";

/// Reads words and texts, and trusts none of them.
class HeaderReader {
 public:
  HeaderReader(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(&path) {}

  template <class... Args>
  void require(bool ok, fmt::format_string<Args...> format, Args&&... args) const {
    if (!ok) [[unlikely]]
      fail(ErrorCode::kFormat, kOp, "{}: {}", *path_, fmt::format(format, std::forward<Args>(args)...));
  }

  uint64_t word(std::string_view what) {
    require(bytes_.size() >= sizeof(uint64_t), "it ends before {}", what);
    uint64_t value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  uint64_t below(uint64_t limit, std::string_view what) {
    const uint64_t value = word(what);
    require(value < limit, "{} is {}, and there are {}", what, value, limit);
    return value;
  }
  /// Of things that take so many bytes each at least.
  size_t count(size_t bytes_each, std::string_view what) {
    const uint64_t value = word(what);
    require(value <= bytes_.size() / bytes_each, "{} {} are stated, and {} bytes are left", value, what,
            bytes_.size());
    return value;
  }
  std::string_view text(std::string_view what) {
    const size_t size = count(1, what);
    const std::string_view value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return value;
  }
  std::string utf8(std::string_view what) {
    const std::string_view value = text(what);
    require(is_utf8(value), "the {} are not UTF-8", what);
    return std::string(value);
  }
  Signature signature(std::string_view what) {
    Signature s;
    s.dtype = static_cast<DType>(below(kNumDTypes, "a dtype"));
    const size_t n = count(sizeof(uint64_t), "extents");
    require(n <= exported::kMostDimensions, "{} of {} dimensions, over {}", what, n,
            exported::kMostDimensions);
    for (size_t i = 0; i < n; ++i) {
      const uint64_t extent = word("an extent");
      require(extent <= INT64_MAX, "{} has an extent of {}", what, extent);
      s.shape.push_back(static_cast<int64_t>(extent));
    }
    require(bits_of(s.shape, 8 * size_of(s.dtype)).has_value(),
            "{} of shape {} has more bits than 63 bits can count", what, s.shape);
    return s;
  }
  std::vector<uint32_t> numbers(uint64_t limit, std::string_view what) {
    std::vector<uint32_t> out(count(sizeof(uint64_t), what));
    for (uint32_t& n : out) n = static_cast<uint32_t>(below(limit, "the number of an array"));
    return out;
  }
  void end() const { require(bytes_.empty(), "the header has {} bytes too many", bytes_.size()); }

 private:
  std::string_view bytes_;
  const std::string* path_;
};

std::string text_of(const Signature& s) {
  return fmt::format("{} {}", name_of(s.dtype), s.shape);
}

class FileReader {
 public:
  explicit FileReader(const std::string& path) : file_(MappedFile::open(path)), in_({}, file_->path()) {
    const auto bytes = file_->bytes();
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    in_ = HeaderReader(all, file_->path());
    in_.require(all.starts_with(exported::kMagic), "no file of functions: its begin is not '{}'",
                shown(exported::kMagic));
    const size_t front = exported::kMagic.size() + 2 * sizeof(uint64_t);
    in_ = HeaderReader(all.substr(exported::kMagic.size()), file_->path());
    const uint64_t version = in_.word("its version");
    in_.require(version == exported::kVersion, "version {}, and this program reads {}", version,
                exported::kVersion);
    const size_t header = in_.count(1, "bytes of header");
    values_at_ = front + header;
    in_ = HeaderReader(all.substr(front, header), file_->path());
  }

  std::string metadata() { return in_.utf8("metadata"); }

  void ops() {
    const size_t n = in_.count(sizeof(uint64_t), "ops");
    for (size_t i = 0; i < n; ++i) {
      const std::string_view name = in_.text("the name of an op");
      const OpInfo* op = find_exported(name);
      in_.require(op != nullptr, "the op '{}' is not known here", shown(name));
      ops_.push_back(op);
    }
  }

  void constants() {
    const size_t n = in_.count(2 * sizeof(uint64_t), "constants");
    std::vector<Signature> signatures;
    for (size_t i = 0; i < n; ++i) signatures.push_back(in_.signature("a constant"));
    const auto bytes = file_->bytes();
    uint64_t at = values_at_;
    for (const Signature& s : signatures) {
      const uint64_t begin = exported::aligned(at);
      const auto size = static_cast<uint64_t>(*bits_of(s.shape, 8 * size_of(s.dtype)) / 8);
      in_.require(begin <= bytes.size() && size <= bytes.size() - begin,
                  "it ends before the constant {}: {} bytes at {} of {}", text_of(s), size, begin,
                  bytes.size());
      for (; at < begin; ++at) in_.require(bytes[at] == 0, "byte {} between constants is not 0", at);
      constants_.push_back(
          mapped_array(file_, bytes.subspan(begin, size), s.shape, s.dtype, kOp, "a constant"));
      at = begin + size;
    }
    in_.require(at == bytes.size(), "{} bytes behind the last constant", bytes.size() - at);
  }

  std::vector<FunctionTrace> traces() {
    std::vector<FunctionTrace> out;
    const size_t n = in_.count(6 * sizeof(uint64_t), "traces");
    for (size_t i = 0; i < n; ++i) out.push_back(trace());
    in_.end();
    file_->check();
    return out;
  }

 private:
  /// f(), whose errors are of this file.
  template <class F>
  auto named(F f) {
    try {
      return f();
    } catch (const Error& e) {
      if (e.op() == kOp) throw;
      fail(ErrorCode::kFormat, kOp, "{}: the op '{}' {}", file_->path(), e.op(), e.message());
    }
  }

  FunctionTrace trace() {
    CallSignature call;
    call.shapeless = in_.below(2, "a flag") != 0;
    call.positional = in_.count(2 * sizeof(uint64_t), "arguments");
    const size_t named = in_.count(sizeof(uint64_t), "keywords");
    for (size_t i = 0; i < named; ++i) {
      call.keywords.push_back(in_.utf8("keywords"));
      in_.require(i == 0 || call.keywords[i - 1] < call.keywords[i], "keywords are not in order");
    }
    for (size_t i = 0; i < call.positional + named; ++i)
      call.arguments.push_back(in_.signature("an argument"));
    Graph read;
    read.arguments = call.arguments;
    for (const uint32_t constant : in_.numbers(constants_.size(), "constants of a trace"))
      read.constants.push_back(constants_[constant]);
    steps(read);
    Graph graph = checked(read, call.shapeless);
    return {std::move(call), std::move(graph)};
  }

  void steps(Graph& graph) {
    uint64_t arrays = graph.arguments.size() + graph.constants.size();
    const size_t n = in_.count(4 * sizeof(uint64_t), "steps");
    for (size_t i = 0; i < n; ++i) {
      Graph::Step& step = graph.steps.emplace_back();
      const OpInfo& op = *ops_.at(in_.below(ops_.size(), "the number of an op"));
      step.inputs = in_.numbers(arrays, "inputs");
      const size_t outputs = in_.count(2 * sizeof(uint64_t), "results of an op");
      for (size_t k = 0; k < outputs; ++k) step.outputs.push_back(in_.signature("a result"));
      arrays += outputs;
      step.node = named([&] { return read_params(op, in_.text("parameters")); });
    }
    in_.require(arrays <= UINT32_MAX, "{} arrays in a trace", arrays);
    graph.results = in_.numbers(arrays, "results of a trace");
  }

  /// The graph made again by the functions of its ops, which check all that they take: what a file states of
  /// a result must be what comes out.
  Graph checked(const Graph& read, bool shapeless) {
    return named([&] { return read.for_arguments(read.arguments, shapeless); });
  }

  std::shared_ptr<const MappedFile> file_;
  HeaderReader in_;
  size_t values_at_ = 0;
  std::vector<const OpInfo*> ops_;
  std::vector<array> constants_;
};

}  // namespace

struct ImportedFunction::State {
  std::string metadata;
  std::vector<CallSignature> calls;
  std::vector<std::unique_ptr<Recorded>> graphs;  // of each call
};

namespace {

/// How a call looks in a sentence.
class CallText {
 public:
  void add(std::string_view name, const Signature& s) {
    text_ += text_.empty() ? "" : ", ";
    text_ += name.empty() ? text_of(s) : fmt::format("{}: {}", shown(name), text_of(s));
  }
  std::string take() const { return "(" + text_ + ")"; }

 private:
  std::string text_;
};

/// The arguments in their order, if the call is for such ones.
std::optional<std::vector<array>> match(const CallSignature& call, const std::vector<array>& args,
                                        const Keywords& named) {
  if (args.size() + named.size() != call.arguments.size() || args.size() > call.positional) return {};
  std::vector<array> all = args;
  for (const auto& [name, a] : named)
    if (!std::binary_search(call.keywords.begin(), call.keywords.end(), name)) all.push_back(a);
  if (all.size() != call.positional) return {};
  for (const std::string& name : call.keywords) {
    const auto it = named.find(name);
    if (it == named.end()) return {};
    all.push_back(it->second);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const Signature& s = call.arguments[i];
    if (all[i].dtype() != s.dtype || all[i].ndim() != s.shape.size()) return {};
    if (!call.shapeless && all[i].shape() != s.shape) return {};
  }
  return all;
}

std::string text_of(const std::vector<array>& args, const Keywords& keywords) {
  CallText text;
  for (const array& a : args) text.add({}, signature_of(a));
  for (const auto& [name, a] : keywords) text.add(name, signature_of(a));
  return text.take();
}

}  // namespace

std::string ImportedFunction::signatures() const {
  constexpr size_t kMostShown = 8;
  const std::vector<CallSignature>& all = calls();
  std::string out;
  for (size_t i = 0; i < all.size(); ++i) {
    out += i ? ", " : "";
    if (i == kMostShown) return out + fmt::format("and {} more", all.size() - i);
    CallText text;
    for (size_t k = 0; k < all[i].arguments.size(); ++k)
      text.add(k < all[i].positional ? std::string_view() : all[i].keywords[k - all[i].positional],
               all[i].arguments[k]);
    out += text.take() + (all[i].shapeless ? " of any extents" : "");
  }
  return out.empty() ? "nothing" : out;
}

const std::string& ImportedFunction::metadata() const {
  return state_->metadata;
}
const std::vector<CallSignature>& ImportedFunction::calls() const {
  return state_->calls;
}

std::vector<array> ImportedFunction::operator()(const std::vector<array>& args,
                                                const Keywords& keywords) const {
  for (size_t i = 0; i < calls().size(); ++i)
    if (const auto all = match(calls()[i], args, keywords)) return (*state_->graphs[i])(*all);
  fail(ErrorCode::kInvalidArgument, kOp, "called with {}, and it takes {}", text_of(args, keywords),
       signatures());
}

ImportedFunction import_function(const std::string& path) {
  FileReader reader(path);
  ImportedFunction out;
  out.state_ = std::make_shared<ImportedFunction::State>();
  out.state_->metadata = reader.metadata();
  reader.ops();
  reader.constants();
  for (FunctionTrace& trace : reader.traces()) {
    out.state_->graphs.push_back(std::make_unique<Recorded>(std::move(trace.graph), trace.call.shapeless));
    out.state_->calls.push_back(std::move(trace.call));
  }
  return out;
}

}  // namespace uma

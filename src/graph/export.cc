#include "graph/export.h"

#include <algorithm>
#include <optional>

#include "base/utf8.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "graph/export_format.h"
#include "graph/rules.h"
#include "io/file_writer.h"

namespace uma {
namespace {

using exported::aligned, exported::kMostDimensions;

/// True if a call could be of either.
bool overlap(const CallSignature& a, const CallSignature& b) {
  if (a.positional != b.positional || a.keywords != b.keywords) return false;
  for (size_t i = 0; i < a.arguments.size(); ++i) {
    const Signature &x = a.arguments[i], &y = b.arguments[i];
    if (x.dtype != y.dtype ||
        (a.shapeless || b.shapeless ? x.shape.size() != y.shape.size() : x.shape != y.shape))
      return false;
  }
  return true;
}

class HeaderWriter {
 public:
  void word(uint64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view value) {
    word(value.size());
    bytes_.append(value);
  }
  void texts(const std::vector<std::string>& values) {
    word(values.size());
    for (const std::string& value : values) text(value);
  }
  void signature(const Signature& s) {
    check(s.shape.size() <= kMostDimensions, ErrorCode::kUnsupported, "export_function",
          "an array of {} dimensions, over {}", s.shape.size(), kMostDimensions);
    word(static_cast<uint64_t>(s.dtype));
    word(s.shape.size());
    for (const int64_t extent : s.shape) word(static_cast<uint64_t>(extent));
  }
  template <class Numbers>
  void numbers(const Numbers& values) {
    word(values.size());
    for (const auto value : values) word(value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

}  // namespace

struct FunctionExporter::State {
  KeywordFunction fun;
  bool shapeless;
  std::string metadata;

  std::mutex mutex;
  std::optional<FileWriter> file;  // none once it is closed
  std::vector<FunctionTrace> traces;
  std::vector<std::vector<uint64_t>> used;  // by each trace: which constants
  std::vector<array> constants;
  std::unordered_map<uintptr_t, uint64_t> places;  // of constants, by identity
  std::vector<std::string> ops;
  std::unordered_map<const OpInfo*, uint64_t> op_places;

  void check_open() const {
    check(file.has_value(), ErrorCode::kUnsupported, "export_function", "the exporter is closed");
  }

  void write_trace(HeaderWriter& out, size_t index) const {
    const FunctionTrace& trace = traces[index];
    out.word(trace.call.shapeless);
    out.word(trace.call.positional);
    out.texts(trace.call.keywords);
    for (const Signature& s : trace.call.arguments) out.signature(s);
    out.numbers(used[index]);
    out.word(trace.graph.steps.size());
    for (const Graph::Step& step : trace.graph.steps) {
      out.word(op_places.at(step.node->op));
      out.numbers(step.inputs);
      out.word(step.outputs.size());
      for (const Signature& s : step.outputs) out.signature(s);
      out.text(write_params(*step.node));
    }
    out.numbers(trace.graph.results);
  }

  std::string header() const {
    HeaderWriter out;
    out.text(metadata);
    out.texts(ops);
    out.word(constants.size());
    for (const array& a : constants) out.signature(signature_of(a));
    out.word(traces.size());
    for (size_t i = 0; i < traces.size(); ++i) write_trace(out, i);
    return out.take();
  }

  void write(FileWriter& to) const {
    const std::string text = header();
    HeaderWriter front;
    front.word(exported::kVersion);
    front.word(text.size());
    const std::string numbers = front.take();
    to.write(exported::kMagic);
    to.write(numbers);
    to.write(text);
    uint64_t at = exported::kMagic.size() + numbers.size() + text.size();
    for (const array& a : constants) {
      static constexpr char kZeros[exported::kAlignment] = {};
      to.write(std::string_view(kZeros, aligned(at) - at));
      const array values = row_contiguous(a);
      to.write({values.bytes(), static_cast<size_t>(values.nbytes())});
      at = aligned(at) + static_cast<uint64_t>(values.nbytes());
    }
    to.commit();
  }
};

FunctionExporter::FunctionExporter(const std::string& path, KeywordFunction fun, bool shapeless,
                                   std::string metadata)
    : state_(std::make_unique<State>()) {
  check(is_utf8(metadata), ErrorCode::kInvalidArgument, "export_function", "the metadata are not UTF-8");
  state_->fun = std::move(fun);
  state_->shapeless = shapeless;
  state_->metadata = std::move(metadata);
  state_->file.emplace(path);
}
FunctionExporter::~FunctionExporter() = default;
FunctionExporter::FunctionExporter(FunctionExporter&&) noexcept = default;

KeywordFunction FunctionExporter::function() const {
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  return state_->fun;
}
bool FunctionExporter::shapeless() const {
  return state_->shapeless;
}

void FunctionExporter::operator()(const std::vector<array>& args, const Keywords& keywords) {
  add(trace_function(function(), args, keywords, state_->shapeless));
}

void FunctionExporter::add(FunctionTrace trace) {
  for (const std::string& name : trace.call.keywords)
    check(is_utf8(name), ErrorCode::kInvalidArgument, "export_function",
          "the name of an argument is not UTF-8");
  eval(trace.graph.constants);
  const std::lock_guard lock(state_->mutex);
  state_->check_open();
  for (const FunctionTrace& other : state_->traces)
    check(!overlap(trace.call, other.call), ErrorCode::kUnsupported, "export_function",
          "the file has a trace of arguments like these already");
  std::vector<uint64_t>& used = state_->used.emplace_back();
  for (const array& a : trace.graph.constants) {
    const auto [it, fresh] = state_->places.emplace(a.id(), state_->constants.size());
    if (fresh) state_->constants.push_back(a);
    used.push_back(it->second);
  }
  for (const Graph::Step& step : trace.graph.steps)
    if (state_->op_places.emplace(step.node->op, state_->ops.size()).second)
      state_->ops.emplace_back(step.node->op->name);
  state_->traces.push_back(std::move(trace));
}

void FunctionExporter::close() {
  KeywordFunction fun;  // goes behind the lock: Python's may wait for the GIL
  const std::lock_guard lock(state_->mutex);
  if (!state_->file) return;
  fun = std::move(state_->fun);
  try {
    state_->write(*state_->file);
  } catch (...) {
    state_->file.reset();
    throw;
  }
  state_->file.reset();
}

void FunctionExporter::discard() {
  KeywordFunction fun;
  const std::lock_guard lock(state_->mutex);
  fun = std::move(state_->fun);
  state_->file.reset();
}

FunctionExporter exporter(const std::string& path, Function fun, bool shapeless) {
  return exporter(path, KeywordFunction([fun = std::move(fun)](const std::vector<array>& x, const Keywords&) {
                    return fun(x);
                  }),
                  shapeless);
}
FunctionExporter exporter(const std::string& path, KeywordFunction fun, bool shapeless) {
  return FunctionExporter(path, std::move(fun), shapeless);
}

void export_function(const std::string& path, const Function& fun, const std::vector<array>& args,
                     bool shapeless) {
  FunctionExporter out = exporter(path, fun, shapeless);
  out(args);
  out.close();
}
void export_function(const std::string& path, const KeywordFunction& fun, const std::vector<array>& args,
                     const Keywords& keywords, bool shapeless) {
  FunctionExporter out = exporter(path, fun, shapeless);
  out(args, keywords);
  out.close();
}

}  // namespace uma

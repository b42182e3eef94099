#pragma once
// Functions in files: what one did to its arguments, to be done again by a program that does not have it.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"

namespace uma {

/// Arguments by name, in the order of their names.
using Keywords = std::map<std::string, array, std::less<>>;
using KeywordFunction = std::function<std::vector<array>(const std::vector<array>&, const Keywords&)>;

/// How a function may be called. Arguments by name follow those by position, in the order of their names.
struct CallSignature {
  size_t positional = 0;
  std::vector<std::string> keywords;
  bool shapeless = false;  // for all shapes of as many dimensions
  std::vector<Signature> arguments;
};

/// A function for calls of one kind.
struct FunctionTrace {
  CallSignature call;
  Graph graph;
};

/// Runs `fun` once on arrays without values. A custom function is replaced by what it did: derivatives of the
/// trace are those of its ops. throws  Unsupported naming an op that cannot be exported; what Graph::record
/// throws
FunctionTrace trace_function(const KeywordFunction& fun, const std::vector<array>& args,
                             const Keywords& keywords, bool shapeless);

/// Several traces of one function in one file, with the constants that they share. The file appears, whole,
/// when it is closed; without that there is none. May be used by several threads.
class FunctionExporter {
 public:
  /// throws  InvalidArgument for metadata that are not UTF-8, Io naming the path
  FunctionExporter(const std::string& path, KeywordFunction fun, bool shapeless = false,
                   std::string metadata = {});
  ~FunctionExporter();
  FunctionExporter(FunctionExporter&&) noexcept;

  /// Traces a call with arguments like these. throws  what function, trace_function and add throw
  void operator()(const std::vector<array>& args, const Keywords& keywords = {});
  /// throws  Unsupported for a second trace of one signature, and after close(); what computing the constants
  /// throws
  void add(FunctionTrace trace);
  /// Writes the file; a second time does nothing. throws  Io
  void close();
  /// Gives up: no file is written.
  void discard();

  /// throws  Unsupported after close()
  KeywordFunction function() const;
  bool shapeless() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

FunctionExporter exporter(const std::string& path, Function fun, bool shapeless = false);
FunctionExporter exporter(const std::string& path, KeywordFunction fun, bool shapeless = false);

/// A file of one trace.
void export_function(const std::string& path, const Function& fun, const std::vector<array>& args,
                     bool shapeless = false);
void export_function(const std::string& path, const KeywordFunction& fun, const std::vector<array>& args,
                     const Keywords& keywords, bool shapeless = false);

/// The function of a file. It nests with the transformations like any other. Copies share what was read; may
/// be called from several threads.
class ImportedFunction {
 public:
  /// What the trace with these arguments gives. Names that it does not know fill its places, in the order of
  /// the names. throws  InvalidArgument if there is no such trace; shapeless: what Graph::for_arguments
  /// throws
  std::vector<array> operator()(const std::vector<array>& args, const Keywords& keywords = {}) const;

  const std::string& metadata() const;
  const std::vector<CallSignature>& calls() const;
  /// The same in words: "(float32 (2, 3), y: int32 ()), (...)".
  std::string signatures() const;

 private:
  friend ImportedFunction import_function(const std::string& path);
  struct State;
  std::shared_ptr<State> state_;
};

/// Reads a file that export_function or an exporter wrote. Constants are views of the mapped file. throws
/// NotFound or Io naming the path; Format naming the path and what is wrong: nothing in the file is trusted,
/// and what is kept is bounded by its size
ImportedFunction import_function(const std::string& path);

}  // namespace uma

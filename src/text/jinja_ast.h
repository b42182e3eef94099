#pragma once
// The tree of a template. Names are numbers into Program::names, so that a lookup compares integers.
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/jinja_ops.h"

namespace uma::jinja {

struct FilterInfo;
struct TestInfo;
struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,
  kBigInt,
  kString,
  kName,
  kTuple,
  kList,
  kDict,    // key, value, key, value...
  kAttr,    // kids[0].text
  kItem,    // kids[0][kids[1]]
  kSlice,   // kids[0][kids[1]:kids[2]:kids[3]], each of the three may be null
  kCall,    // kids[0](args)
  kFilter,  // kids[0]|text(args); a null kid is the text of a filter block
  kTest,    // kids[0] is text(args)
  kNot,
  kNegative,
  kPositive,
  kBinary,   // kids[0] op kids[1]
  kConcat,   // kids joined by ~
  kCompare,  // kids[0] ops[0] kids[1] ops[1] kids[2]...
  kAnd,
  kOr,
  kIf,      // kids[0] if kids[1] else kids[2], which may be null
  kTarget,  // in an assignment only: the namespace attribute name.text
};

struct CallArgs {
  std::vector<ExprPtr> args;
  std::vector<std::pair<std::string, ExprPtr>> kwargs;
  ExprPtr star, star_star;
};

struct Expr {
  Expr(ExprKind k, uint32_t l) : kind(k), line(l) {}
  ExprKind kind;
  Op op = Op::kAdd;
  uint16_t depth = 1;  // of the tree below; bounds the recursion of every walk over it
  uint32_t line;
  uint32_t name = 0;  // kName, kTarget
  union {
    int64_t i = 0;
    double d;
    const FilterInfo* filter;  // null where no filter has this name, an error only if it is used
    const TestInfo* test;
  };
  std::string text;
  std::vector<ExprPtr> kids;
  std::vector<Op> ops;
  std::unique_ptr<CallArgs> call;
};

enum class StmtKind : uint8_t {
  kText,         // text
  kOutput,       // exprs, each printed
  kIf,           // exprs[i] guards bodies[i]; one more body is the else
  kFor,          // target exprs[0] in exprs[1] if exprs[2]; bodies: loop, else
  kSet,          // exprs[0] = exprs[1]
  kSetBlock,     // exprs[0] = bodies[0] through filters exprs[1]
  kMacro,        // name; params; bodies[0]
  kCall,         // exprs[0] is a call that gets this statement, a macro, as its caller
  kFilterBlock,  // exprs[0] filters bodies[0]
  kWith,         // exprs: target, value, target, value...; bodies[0]
  kBlock,        // bodies[0] in the scope of the template
  kScoped,       // bodies[0] in a scope of its own: generation, scoped blocks
  kAutoescape,   // exprs[0] must be false; bodies[0]
  kBreak,
  kContinue,
  kLoader,  // include, import, extends: nothing to load from
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

struct Stmt {
  Stmt(StmtKind k, uint32_t l) : kind(k), line(l) {}
  StmtKind kind;
  bool recursive = false;
  bool takes_caller = false, takes_kwargs = false, takes_varargs = false;  // macros: what the body mentions
  uint32_t line;
  uint32_t name = 0;
  std::string text;
  std::vector<ExprPtr> exprs;
  std::vector<Body> bodies;
  std::vector<uint32_t> params;
  std::vector<ExprPtr> defaults;  // of the last params
};

/// Names that the engine itself binds.
enum KnownName : uint32_t { kNameLoop, kNameCaller, kNameKwargs, kNameVarargs, kKnownNames };

struct Program {
  Program();
  uint32_t intern(std::string_view name);
  /// The number of a name, or -1 where the template never mentions it.
  int64_t find(std::string_view name) const;

  Body body;
  std::deque<std::string> names;
  std::unordered_map<std::string_view, uint32_t> numbers;
};

/// Parses template text, which must be valid UTF-8 within the limits. Throws Format, Limit, Unsupported.
std::unique_ptr<Program> parse_program(std::string_view source, const TemplateLimits& limits);

}  // namespace uma::jinja

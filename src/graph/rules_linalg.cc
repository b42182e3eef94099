// How factorizations are made again. Several results come from the public function, which may give fewer of
// them: its op has them all.
#include "core/eval.h"
#include "graph/row.h"
#include "ops/linalg.h"

namespace uma::rules {
namespace {

using namespace uma::linalg;

// Functions that errors of an evaluation may name. In files they are numbers: new ones go to the end.
constexpr std::string_view kCallers[] = {"solve", "solve_triangular", "inv", "tri_inv", "cholesky_inv"};

int64_t number_of(std::string_view caller) {
  const auto* const it = std::find(std::begin(kCallers), std::end(kCallers), caller);
  return it == std::end(kCallers) ? 0 : it - std::begin(kCallers);
}

/// P has the caller and one bool.
template <class P, auto kFlag>
Row solver(Rule rule) {
  return {rule,
          [](const Node& node, params::Sink& out) {
            const P& p = node.params<P>();
            out.put(number_of(p.caller)), out.put(p.*kFlag);
          },
          [](const OpInfo& op, std::string_view bytes) -> std::shared_ptr<Node> {
            P value{};
            params::Reader in(bytes, op.name);
            value.caller = kCallers[in.number(0, std::ssize(kCallers) - 1)];
            in.get(value.*kFlag);
            in.end();
            return std::make_shared<NodeWith<P>>(op, default_stream(), Arrays{}, value);
          }};
}

// The function checks the inputs, and gives them the dtype and batch of each other: both have them already.
void check_system(const array& solved, Inputs x, std::string_view op) {
  check(solved.shape() == x[1].shape() && solved.dtype() == x[1].dtype() && x[0].dtype() == x[1].dtype() &&
            x[0].ndim() == x[1].ndim(),
        ErrorCode::kShape, op, "takes matrices of one dtype and batch, not {} of {} and {} of {}",
        name_of(x[0].dtype()), x[0].shape(), name_of(x[1].dtype()), x[1].shape());
  for (size_t i = 0; i + 2 < x[0].ndim(); ++i)
    check(x[0].shape()[i] == x[1].shape()[i], ErrorCode::kShape, op,
          "takes batches of one shape, not {} and {}", x[0].shape(), x[1].shape());
}
Arrays solve_rule(const Node& node, Inputs x, const Rebuilding&) {
  check_system(solve(x[0], x[1]), x, node.op->name);
  return {array::make(x[1].shape(), x[1].dtype(), kSolve, node.params<SolveParams>(), {x[0], x[1]})};
}
Arrays triangular_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<TriangularParams>();
  check_system(solve_triangular(x[0], x[1], p.upper), x, node.op->name);
  return {array::make(x[1].shape(), x[1].dtype(), kSolveTriangular, p, {x[0], x[1]})};
}

template <array (*kFunction)(const array&)>
Row of_one() {
  return plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{kFunction(x[0])}; });
}

Arrays svd_rule(const Node& node, Inputs x, const Rebuilding&) {
  const SvdMode mode = node.params<SvdParams>().mode;
  if (mode == SvdMode::values) return {singular_values(x[0])};
  return siblings_of(svd(x[0], mode == SvdMode::full).s);
}
Arrays eigh_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<EigParams>();
  return p.vectors ? siblings_of(eigh(x[0], p.upper).first) : Arrays{eigvalsh(x[0], p.upper)};
}
Arrays eig_rule(const Node& node, Inputs x, const Rebuilding&) {
  return node.params<EigParams>().vectors ? siblings_of(eig(x[0]).first) : Arrays{eigvals(x[0])};
}

}  // namespace

void add_linalg(Table& t) {
  t[&kCholesky] = plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{cholesky(x[0])}; });
  t[&kSolve] = solver<SolveParams, &SolveParams::nan_if_singular>(solve_rule);
  t[&kSolveTriangular] = solver<TriangularParams, &TriangularParams::upper>(triangular_rule);
  t[&kLu] =
      plain([](const Node&, Inputs x, const Rebuilding&) { return siblings_of(lu_factor(x[0]).first); });
  t[&kDet] = of_one<&det>();
  t[&kSlogdet] =
      plain([](const Node&, Inputs x, const Rebuilding&) { return siblings_of(slogdet(x[0]).first); });
  t[&kCofactor] = of_one<&cofactor>();
  t[&kQr] = plain([](const Node&, Inputs x, const Rebuilding&) { return siblings_of(qr(x[0]).first); });
  t[&kSvd] = row<SvdParams, &SvdParams::mode>(svd_rule);
  t[&kPinv] = of_one<&pinv>();
  t[&kEigh] = row<EigParams, &EigParams::vectors, &EigParams::upper>(eigh_rule);
  t[&kEig] = row<EigParams, &EigParams::vectors, &EigParams::upper>(eig_rule);
}

}  // namespace uma::rules

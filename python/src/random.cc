// The submodule uma.core.random.
#include "ops/random.h"

#include "bind.h"

namespace uma::python {
namespace {

using MaybeKey = std::optional<array>;
using MaybeDtype = std::optional<Dtype>;
using Extents = std::vector<int64_t>;

Shape shape_from(const Extents& extents) {
  return Shape(extents.begin(), extents.end());
}
std::optional<Shape> shape_from(const std::optional<Extents>& extents) {
  if (!extents) return {};
  return shape_from(*extents);
}
DType dtype_or(MaybeDtype given, DType otherwise) {
  return given ? given->value : otherwise;
}
std::optional<double> number(const Operand& x) {
  if (!x.misfit.empty()) return {};
  if (const auto* b = std::get_if<bool>(&x.value)) return *b ? 1 : 0;
  if (const auto* i = std::get_if<int64_t>(&x.value)) return static_cast<double>(*i);
  if (const auto* d = std::get_if<double>(&x.value)) return *d;
  return {};
}
std::optional<array> maybe_array(const std::optional<Operand>& x) {
  if (!x) return {};
  return to_array(*x);
}

void bind_state(Module& m) {
  nb::class_<RandomState>(m, "_RandomState")
      .def("__len__", [](const RandomState&) { return 1; })
      .def("__getitem__",
           [](const RandomState&, int64_t i) {
             if (i != 0 && i != -1) throw nb::index_error("the random state holds one key");
             return random::state();
           })
      .def("__iter__", [](const RandomState&) {
        nb::list keys;
        keys.append(random::state());
        return nb::iter(keys);
      });
  m.attr("state") = nb::cast(RandomState{});
  m.def("seed", &random::seed, "seed"_a, "Seeds the state of this thread.");
  m.def("key", &random::key, "seed"_a, "A key of a seed.");
  m.def(
      "split",
      [](const array& key, int64_t num, const StreamArg& s) {
        StreamScope scope(s);
        return random::split(key, num);
      },
      "key"_a, "num"_a = 2, "stream"_a = nb::none(), "New keys, as rows, from one that is used up by it.");
}

void bind_continuous(Module& m) {
  const auto f32 = Dtype{DType::float32};
  m.def(
      "uniform",
      [](const Operand& low, const Operand& high, const Extents& shape, MaybeDtype dtype, const MaybeKey& key,
         const StreamArg& s) {
        StreamScope scope(s);
        const DType d = dtype_or(dtype, DType::float32);
        const auto from = number(low), to = number(high);
        if (from && to) return random::uniform(*from, *to, shape_from(shape), d, key);
        return random::uniform(to_array(low), to_array(high), shape_from(shape), d, key);
      },
      "low"_a = 0, "high"_a = 1, "shape"_a = Extents{}, "dtype"_a.none() = f32, "key"_a.none() = nb::none(),
      "stream"_a = nb::none(), "Uniform numbers in [low, high).");
  m.def(
      "normal",
      [](const Extents& shape, MaybeDtype dtype, const std::optional<Operand>& loc,
         const std::optional<Operand>& scale, const MaybeKey& key, const StreamArg& s) {
        StreamScope scope(s);
        return random::normal(shape_from(shape), dtype_or(dtype, DType::float32), maybe_array(loc),
                              maybe_array(scale), key);
      },
      "shape"_a = Extents{}, "dtype"_a.none() = f32, "loc"_a.none() = nb::none(),
      "scale"_a.none() = nb::none(), "key"_a.none() = nb::none(), "stream"_a = nb::none(),
      "loc + scale z, z normal.");
  m.def(
      "truncated_normal",
      [](const Operand& lower, const Operand& upper, const std::optional<Extents>& shape, MaybeDtype dtype,
         const MaybeKey& key, const StreamArg& s) {
        StreamScope scope(s);
        return random::truncated_normal(to_array(lower), to_array(upper), shape_from(shape),
                                        dtype_or(dtype, DType::float32), key);
      },
      "lower"_a, "upper"_a, "shape"_a.none() = nb::none(), "dtype"_a.none() = f32,
      "key"_a.none() = nb::none(), "stream"_a = nb::none(), "Normal numbers between two bounds.");
  m.def(
      "multivariate_normal",
      [](const array& mean, const array& cov, const Extents& shape, MaybeDtype dtype, const MaybeKey& key,
         const StreamArg& s) {
        StreamScope scope(s);
        return random::multivariate_normal(mean, cov, shape_from(shape), dtype_or(dtype, DType::float32),
                                           key);
      },
      "mean"_a, "cov"_a, "shape"_a = Extents{}, "dtype"_a.none() = f32, "key"_a.none() = nb::none(),
      "stream"_a = nb::none(), "Normal vectors with a mean and a covariance.");
  m.def(
      "gumbel",
      [](const Extents& shape, MaybeDtype dtype, const MaybeKey& key, const StreamArg& s) {
        StreamScope scope(s);
        return random::gumbel(shape_from(shape), dtype_or(dtype, DType::float32), key);
      },
      "shape"_a = Extents{}, "dtype"_a.none() = f32, "key"_a.none() = nb::none(), "stream"_a = nb::none(),
      "Gumbel numbers.");
  m.def(
      "laplace",
      [](const Extents& shape, MaybeDtype dtype, double loc, double scale, const MaybeKey& key,
         const StreamArg& s) {
        StreamScope scope(s);
        return random::laplace(shape_from(shape), dtype_or(dtype, DType::float32), loc, scale, key);
      },
      "shape"_a = Extents{}, "dtype"_a.none() = f32, "loc"_a = 0.0, "scale"_a = 1.0,
      "key"_a.none() = nb::none(), "stream"_a = nb::none(), "Laplace numbers.");
}

void bind_discrete(Module& m) {
  m.def(
      "bernoulli",
      [](const Operand& p, const std::optional<Extents>& shape, const MaybeKey& key, const StreamArg& s) {
        StreamScope scope(s);
        return random::bernoulli(to_array(p), shape_from(shape), key);
      },
      "p"_a = 0.5, "shape"_a.none() = nb::none(), "key"_a.none() = nb::none(), "stream"_a = nb::none(),
      "True with probability p.");
  m.def(
      "randint",
      [](const Operand& low, const Operand& high, const Extents& shape, MaybeDtype dtype, const MaybeKey& key,
         const StreamArg& s) {
        StreamScope scope(s);
        return random::randint(to_array(low), to_array(high), shape_from(shape),
                               dtype_or(dtype, DType::int32), key);
      },
      "low"_a, "high"_a, "shape"_a = Extents{}, "dtype"_a.none() = Dtype{DType::int32},
      "key"_a.none() = nb::none(), "stream"_a = nb::none(), "Integers in [low, high), drawn from a float32.");
  m.def(
      "categorical",
      [](const array& logits, int axis, const std::optional<Extents>& shape,
         std::optional<int64_t> num_samples, const MaybeKey& key, const StreamArg& s) {
        StreamScope scope(s);
        check(!shape || !num_samples, ErrorCode::kInvalidArgument, "categorical",
              "takes a shape or a number of samples, not both");
        if (num_samples) return random::categorical_samples(logits, axis, *num_samples, key);
        return random::categorical(logits, axis, shape_from(shape), key);
      },
      "logits"_a, "axis"_a = -1, "shape"_a.none() = nb::none(), "num_samples"_a.none() = nb::none(),
      "key"_a.none() = nb::none(), "stream"_a = nb::none(), "Indices with probabilities softmax(logits).");
  m.def(
      "permutation",
      [](const std::variant<int64_t, array>& x, int axis, const MaybeKey& key, const StreamArg& s) {
        StreamScope scope(s);
        if (const auto* n = std::get_if<int64_t>(&x)) return random::permutation(*n, key);
        return random::permutation(std::get<array>(x), axis, key);
      },
      "x"_a, "axis"_a = 0, "key"_a.none() = nb::none(), "stream"_a = nb::none(),
      "0 ... x - 1 in random order, or an array with an axis in random order.");
}

}  // namespace

void bind_random(Module& m) {
  Module r = m.def_submodule("random", "Random numbers from keys, and from a state of each thread.");
  nb::module_::import_("sys").attr("modules")[nb::str("uma.core.random")] = r;
  bind_state(r);
  bind_continuous(r);
  bind_discrete(r);
}

}  // namespace uma::python

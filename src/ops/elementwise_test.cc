// Every row of the elementwise tables: against its functor in f64, over dtypes, sizes and layouts; its
// gradient against finite differences; vmap against a loop. A new row is tested by being there.
#include "ops/functors.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

// Twice the widest vector of f32, and one: every tail that a kernel has.
constexpr int64_t kSizes = 2 * 16 + 1;

const double kSpecial[] = {0.0,  -0.0,  1,    -1,    0.5,    -0.5,       1.5,     2.5,
                           kInf, -kInf, kNan, 1e-40, -1e-40, 1e-6,       3e38,    -3e38,
                           88.5, -88.5, 100,  -104,  1e4,    0.99999994, 16777216};

template <class F>
void for_unary(F f) {
  std::apply([&](auto... row) { (f(row), ...); }, kUnaryOps);
}
template <class F>
void for_binary(F f) {
  std::apply([&](auto... row) { (f(row), ...); }, kBinaryOps);
}

template <class R>
constexpr bool kInteger = R::domain == Domain::integral;
template <class R>
constexpr bool kBool = R::rule == DTypeRule::boolean;

// The public function of a row: what a user calls.
array op_result(const OpInfo& op, const std::vector<array>& x) {
  if (const UnaryOp f = unary_function(op)) return f(x[0]);
  if (const BinaryOp f = binary_function(op)) return f(x[0], x[1]);
  ADD_FAILURE() << op.name << " has no function in this test";
  return x[0];
}

void expect_within(const OpInfo& op, const array& got, const std::vector<double>& truth) {
  ASSERT_EQ(got.dtype(), DType::float32);
  const std::vector<float> values = got.to_vector<float>();
  ASSERT_EQ(values.size(), truth.size());
  // No bound: correctly rounded, so half a unit.
  const double bound = std::max(op.max_ulp, 0.5);
  for (size_t i = 0; i < values.size(); ++i)
    if (!(ulps_f32(values[i], truth[i]) <= bound)) {
      ADD_FAILURE() << op.name << " element " << i << ": " << values[i] << ", expected " << truth[i]
                    << ", off by " << ulps_f32(values[i], truth[i]) << " ULP";
      return;
    }
}

// f32 inputs as the f64 numbers that they are.
std::vector<double> rounded(std::vector<double> v) {
  for (double& x : v) x = static_cast<float>(x);
  return v;
}

TEST(Unary, F32AgreesWithF64) {
  for_unary([](auto row) {
    using R = decltype(row);
    if constexpr (!kInteger<R>) {
      SCOPED_TRACE(std::string(row.op->name));
      std::vector<std::vector<double>> inputs{{std::begin(kSpecial), std::end(kSpecial)},
                                              random_values(40000, 3, row.op->domain.lo, row.op->domain.hi)};
      for (int64_t n = 0; n <= kSizes; ++n)
        inputs.push_back(random_values(n, 5, row.op->domain.lo, row.op->domain.hi));
      for (auto& input : inputs) {
        const std::vector<double> x = rounded(input);
        std::vector<double> truth;
        for (const double v : x) truth.push_back(static_cast<double>(typename R::Functor{}(v)));
        const array got = op_result(*row.op, {astype(f64(x), DType::float32)});
        if constexpr (kBool<R>) {
          EXPECT_EQ(got.dtype(), DType::bool_);
          expect_near(values_of(got), truth);
        } else {
          expect_within(*row.op, got, truth);
        }
      }
    }
  });
}

TEST(Binary, F32AgreesWithF64) {
  for_binary([](auto row) {
    using R = decltype(row);
    if constexpr (!kInteger<R>) {
      SCOPED_TRACE(std::string(row.op->name));
      const auto run = [&](const std::vector<double>& a, const std::vector<double>& b) {
        std::vector<double> truth;
        for (size_t i = 0; i < a.size(); ++i)
          truth.push_back(static_cast<double>(typename R::Functor{}(a[i], b[i])));
        const array got =
            op_result(*row.op, {astype(f64(a), DType::float32), astype(f64(b), DType::float32)});
        if constexpr (kBool<R>)
          expect_near(values_of(got), truth);
        else
          expect_within(*row.op, got, truth);
      };
      const TestDomain d = row.op->domain;
      for (int64_t n = 0; n <= kSizes; ++n)
        run(rounded(random_values(n, 5, d.lo, d.hi)), rounded(random_values(n, 6, d.lo, d.hi)));
      run(rounded(random_values(40000, 7, d.lo, d.hi)), rounded(random_values(40000, 8, d.lo, d.hi)));
      std::vector<double> a, b;
      for (const double x : {0.0, -0.0, 1.0, -2.0, 3.5, kInf, -kInf, kNan})
        for (const double y : {0.0, -0.0, 1.0, -2.0, 3.5, kInf, -kInf, kNan}) a.push_back(x), b.push_back(y);
      run(a, b);
    }
  });
}

TEST(Elementwise, F64StaysF64AndHalvesRoundOnce) {
  const auto run = [](auto row, std::vector<array> x, size_t inputs) {
    using R = decltype(row);
    if constexpr (!kInteger<R>) {
      SCOPED_TRACE(std::string(row.op->name));
      x.resize(inputs, x[0]);
      const array exact = op_result(*row.op, x);
      EXPECT_EQ(exact.dtype(), kBool<R> ? DType::bool_ : DType::float64);
      for (const DType d : {DType::float16, DType::bfloat16}) {
        std::vector<array> half, wide;
        for (const array& a : x) {
          half.push_back(astype(a, d));
          wide.push_back(astype(half.back(), DType::float32));
        }
        const array got = op_result(*row.op, half);
        EXPECT_EQ(got.dtype(), kBool<R> ? DType::bool_ : d);
        expect_near(values_of(got), values_of(astype(op_result(*row.op, wide), got.dtype())));
      }
    }
  };
  for_unary([&](auto row) { run(row, {random_array({3, 7}, 1, row.op->domain.lo, row.op->domain.hi)}, 1); });
  for_binary([&](auto row) {
    run(row,
        {random_array({3, 7}, 1, row.op->domain.lo, row.op->domain.hi),
         random_array({3, 7}, 2, row.op->domain.lo, row.op->domain.hi)},
        2);
  });
}

TEST(Elementwise, EveryLayoutGivesTheSame) {
  const auto run = [](auto row, size_t inputs) {
    using R = decltype(row);
    SCOPED_TRACE(std::string(row.op->name));
    const DType d = kInteger<R> ? DType::int32 : DType::float32;
    const TestDomain t = kInteger<R> ? TestDomain{0, 9} : row.op->domain;
    std::vector<array> x;
    for (size_t i = 0; i < inputs; ++i)
      x.push_back(random_array({3, 5}, 11 + static_cast<uint32_t>(i), t.lo, t.hi, d));
    const array plain = op_result(*row.op, x);
    for (const array& a : layouts_of(x[0])) {
      if (inputs == 1) {
        expect_near(op_result(*row.op, {a}), plain);
        continue;
      }
      for (const array& b : layouts_of(x[1])) expect_near(op_result(*row.op, {a, b}), plain);
    }
    if (inputs == 1) return;
    const array row0 = slice_axis(x[1], 0, 0, 1), column = slice_axis(x[0], 1, 1, 2);
    expect_near(op_result(*row.op, {x[0], squeeze(row0, {0})}),
                op_result(*row.op, {x[0], contiguous(broadcast_to(row0, {3, 5}))}));
    expect_near(op_result(*row.op, {column, row0}),
                op_result(*row.op, {contiguous(broadcast_to(column, {3, 5})),
                                    contiguous(broadcast_to(row0, {3, 5}))}));
    EXPECT_EQ(op_result(*row.op, {squeeze(slice_axis(row0, 1, 0, 1)), x[1]}).shape(), (Shape{3, 5}));
    expect_error(ErrorCode::kShape, [&] { op_result(*row.op, {x[0], slice_axis(x[1], 1, 0, 2)}); });
  };
  for_unary([&](auto row) { run(row, 1); });
  for_binary([&](auto row) { run(row, 2); });
}

TEST(Elementwise, DerivativesAgreeWithDifferencesAndVmapWithALoop) {
  const auto run = [](auto row, size_t inputs) {
    using R = decltype(row);
    SCOPED_TRACE(std::string(row.op->name));
    const Fn f = [&](const std::vector<array>& x) { return op_result(*row.op, x); };
    const TestDomain t = kInteger<R> ? TestDomain{0, 9} : row.op->domain;
    const DType d = kInteger<R> ? DType::int32 : DType::float64;
    std::vector<array> x, batched;
    std::vector<int> axes;
    for (size_t i = 0; i < inputs; ++i) {
      const auto seed = 21 + static_cast<uint32_t>(i);
      x.push_back(random_array({2, 3}, seed, t.lo, t.hi, d));
      batched.push_back(random_array(i == 0 ? Shape{2, 4, 3} : Shape{2, 3, 4}, seed, t.lo, t.hi, d));
      axes.push_back(i == 0 ? 1 : 2);
    }
    expect_vmap(f, batched, axes);
    if (inputs == 2) {
      expect_vmap(f, {batched[0], x[1]}, {1, -1});
      expect_vmap(f, {x[0], batched[1]}, {-1, 2});
    }
    if constexpr (!kBool<R> && !kInteger<R>) expect_derivatives(f, x, 1e-5);
  };
  for_unary([&](auto row) { run(row, 1); });
  for_binary([&](auto row) { run(row, 2); });
}

TEST(Elementwise, IntegersBecomeFloat32WhereTheOpNeedsFloats) {
  const auto run = [](auto row, size_t inputs) {
    using R = decltype(row);
    SCOPED_TRACE(std::string(row.op->name));
    for (const DType d : {DType::int32, DType::uint8, DType::int64}) {
      const std::vector<array> x(inputs, astype(f64({1, 2, 3}), d)), wide(inputs, array({1.f, 2.f, 3.f}));
      const array got = op_result(*row.op, x);
      if (kBool<R>) {
        EXPECT_EQ(got.dtype(), DType::bool_);
      } else if (R::domain == Domain::inexact) {
        expect_near(got, op_result(*row.op, wide));
      } else {
        EXPECT_EQ(got.dtype(), d);
      }
    }
    if constexpr (kInteger<R>)
      expect_error(ErrorCode::kDType, [&] { op_result(*row.op, std::vector<array>(inputs, array({1.f}))); });
    const auto of_complex = [&] {
      return op_result(*row.op, std::vector<array>(inputs, astype(array({1.f}), DType::complex64)));
    };
    if constexpr (functor::takes_complex<typename R::Functor>)
      EXPECT_EQ(of_complex().size(), 1);
    else
      expect_error(ErrorCode::kDType, of_complex);
  };
  for_unary([&](auto row) { run(row, 1); });
  for_binary([&](auto row) { run(row, 2); });
}

// -- subtle cases, as NumPy 2 gives them --

template <class T>
array of(std::initializer_list<T> v) {
  return array(v);
}
using I8 = std::vector<int8_t>;
using I32 = std::vector<int32_t>;
using U8 = std::vector<uint8_t>;

TEST(Integers, DivideTowardsMinusInfinity) {
  const array x({-7, 7, -8, 5, -7, 7}), y({2, -2, 3, 0, -2, 7});
  EXPECT_EQ(floor_divide(x, y).to_vector<int32_t>(), (I32{-4, -4, -3, 0, 3, 1}));
  EXPECT_EQ(remainder(x, y).to_vector<int32_t>(), (I32{1, -1, 1, 0, -1, 0}));
  const array lowest({INT32_MIN, INT32_MIN}), minus({-1, 1});
  EXPECT_EQ(floor_divide(lowest, minus).to_vector<int32_t>(), (I32{INT32_MIN, INT32_MIN}));
  EXPECT_EQ(remainder(lowest, minus).to_vector<int32_t>(), (I32{0, 0}));
  EXPECT_EQ(floor_divide(of<uint8_t>({250, 7}), of<uint8_t>({7, 0})).to_vector<uint8_t>(), (U8{35, 0}));
}

TEST(Integers, Wrap) {
  EXPECT_EQ(add(of<int8_t>({127, -128}), of<int8_t>({1, -1})).to_vector<int8_t>(), (I8{-128, 127}));
  EXPECT_EQ(multiply(of<uint16_t>({65535}), of<uint16_t>({65535})).to_vector<uint16_t>()[0], 1);
  EXPECT_EQ(multiply(array({1 << 30}), array({4})).to_vector<int32_t>()[0], 0);
  EXPECT_EQ(abs(of<int8_t>({-128, -5})).to_vector<int8_t>(), (I8{-128, 5}));
  EXPECT_EQ(negative(of<uint8_t>({1, 0})).to_vector<uint8_t>(), (U8{255, 0}));
  EXPECT_EQ(square(array({65536, -3})).to_vector<int32_t>(), (I32{0, 9}));
}

TEST(Integers, PowersAndShifts) {
  const array x({2, 3, -1, -1, 1, 0, 0, -2}), y({-1, 3, -3, -2, -5, 0, -1, 31});
  EXPECT_EQ(power(x, y).to_vector<int32_t>(), (I32{0, 27, -1, 1, 1, 1, 0, INT32_MIN}));
  EXPECT_EQ(left_shift(array({1, 1, 1, -1, 3}), array({31, 32, 40, 4, -1})).to_vector<int32_t>(),
            (I32{INT32_MIN, 0, 0, -16, 0}));
  EXPECT_EQ(right_shift(array({-8, 8, -8, 8, -1}), array({1, 32, 40, 3, -1})).to_vector<int32_t>(),
            (I32{-4, 0, -1, 1, -1}));
  EXPECT_EQ(bitwise_invert(of<uint8_t>({0, 255, 5})).to_vector<uint8_t>(), (U8{255, 0, 250}));
  EXPECT_EQ(bitwise_invert(of<bool>({true, false})).to_vector<bool>(), (std::vector<bool>{false, true}));
  EXPECT_EQ(bitwise_xor(array({6}), array({3})).item<int32_t>(), 5);
}

TEST(Floats, FloorDivideAndRemainderBelongTogether) {
  const array x = f64({1, -7, 7, -1, 1, 1, 0, -0.0, kInf, 1, -1, 0, 5, -kInf});
  const array y = f64({.1, 2, -2, kInf, -kInf, kInf, -3, 3, 2, 0, 0, 0, 5, 2});
  const std::vector<double> q{9, -4, -4, -1, -1, 0, -0.0, -0.0, kNan, kInf, -kInf, kNan, 1, kNan};
  const std::vector<double> r{0.1, 1, -1, kInf, -kInf, 1, -0.0, 0, kNan, kNan, kNan, kNan, 0, kNan};
  const std::vector<double> quotient = values_of(floor_divide(x, y)), rest = values_of(remainder(x, y));
  for (size_t i = 0; i < q.size(); ++i) {
    SCOPED_TRACE(i);
    expect_near(std::vector<double>{quotient[i], rest[i]}, std::vector<double>{q[i], r[i]}, 1e-15,
                i == 0 ? 1e-15 : 0);
    if (q[i] == 0) {
      EXPECT_EQ(std::signbit(quotient[i]), std::signbit(q[i]));
    }
    if (r[i] == 0) {
      EXPECT_EQ(std::signbit(rest[i]), std::signbit(r[i]));
    }
  }
}

TEST(Floats, RoundingSignsAndNan) {
  expect_near(values_of(round(f64({.5, 1.5, 2.5, -.5, -1.5, 4.5}))), {0, 2, 2, -0.0, -2, 4});
  expect_near(values_of(maximum(f64({kNan, 1, 1}), f64({1, kNan, 2}))), {kNan, kNan, 2});
  expect_near(values_of(minimum(f64({kNan, 1, 1}), f64({1, kNan, 2}))), {kNan, kNan, 1});
  expect_near(values_of(sign(f64({-3, 0, kNan, kInf}))), {-1, 0, kNan, 1});
  expect_near(values_of(logaddexp(f64({-kInf, kInf, kInf, 1000}), f64({-kInf, kInf, -kInf, 1000}))),
              {-kInf, kInf, kInf, 1000.6931471805599});
  expect_near(values_of(sigmoid(f64({-1000, 1000, 0}))), {0, 1, 0.5});
  EXPECT_TRUE(std::signbit(values_of(negative(f64({0})))[0]));
}

TEST(Derivatives, AtTies) {
  const auto slopes = [](auto f) {
    const auto g =
        grad([&](const std::vector<array>& x) { return f(x[0], x[1]); }, {0, 1})({array(1.0), array(1.0)});
    return std::pair(values_of(g[0])[0], values_of(g[1])[0]);
  };
  using Two = array (*)(const array&, const array&);
  EXPECT_EQ(slopes(static_cast<Two>(maximum)), std::pair(0.0, 1.0));
  EXPECT_EQ(slopes(static_cast<Two>(minimum)), std::pair(0.0, 1.0));
  const UnaryFunction relu = [](const array& x) { return maximum(x, array(0.0)); };
  EXPECT_EQ(values_of(grad(relu)(array(0.0)))[0], 0);
  EXPECT_EQ(values_of(grad(UnaryFunction([](const array& x) { return abs(x); }))(array(0.0)))[0], 0);
}

TEST(Derivatives, PowerAtZero) {
  for (const double y : {0.0, 1.0, 2.0, 3.0}) {
    const UnaryFunction f = [&](const array& x) { return power(x, array(y)); };
    EXPECT_EQ(values_of(grad(f)(array(0.0)))[0], y == 1 ? 1 : 0);
    EXPECT_EQ(values_of(grad(grad(f))(array(0.0)))[0], y == 2 ? 2 : 0);
    const UnaryFunction exponent = [](const array& e) { return power(array(0.0), e); };
    EXPECT_EQ(values_of(grad(exponent)(array(y + 1)))[0], 0);
  }
}

TEST(Where, ChoosesBroadcastsAndDerives) {
  const array c = greater(random_array({2, 3}, 1), array(0.0)), x = random_array({3}, 2),
              y = random_array({2, 1}, 3);
  std::vector<double> expected;
  const auto cv = values_of(c), xv = values_of(x), yv = values_of(y);
  for (size_t i = 0; i < 6; ++i) expected.push_back(cv[i] != 0 ? xv[i % 3] : yv[i / 3]);
  expect_near(values_of(where(c, x, y)), expected);
  EXPECT_EQ(where(c, array(1), array(2.f)).dtype(), DType::float32);
  const Fn f = [](const std::vector<array>& v) { return where(v[0], v[1], v[2]); };
  expect_derivatives(f, {c, x, y});
  expect_vmap(f, {c, random_array({3, 2}, 4), y}, {0, 1, -1});
  for (const DType d : {DType::bool_, DType::int16, DType::float16, DType::complex64})
    expect_near(
        values_of(where(c, astype(x, d), astype(y, d))),
        values_of(
            astype(where(c, astype(astype(x, d), DType::float64), astype(astype(y, d), DType::float64)), d)));
  expect_error(ErrorCode::kShape, [&] { where(c, random_array({4}, 1), y); });
}

TEST(Clip, HoldsBetweenBounds) {
  expect_near(values_of(clip(f64({-2, 0.5, 3, kNan}), array(0.0), array(1.0))), {0, 0.5, 1, kNan});
  expect_near(values_of(clip(f64({-2, 3}), {}, array(1.0))), {-2, 1});
  expect_error(ErrorCode::kInvalidArgument, [] { clip(array(1.0), {}, {}); });
}

TEST(Scalars, PromoteWeakly) {
  EXPECT_EQ((array({1}) + 2).dtype(), DType::int32);
  EXPECT_EQ((array({1}) + 0.5).dtype(), DType::float32);
  EXPECT_EQ((astype(array({1}), DType::float16) * 0.5).dtype(), DType::float16);
  EXPECT_EQ((of<bool>({true}) + 1).dtype(), DType::int32);
  expect_near(values_of(2 - array({5, 1})), {-3, 1});
  expect_near(values_of(1 / f64({4})), {0.25});
}

TEST(Negative, RefusesBool) {
  expect_error(ErrorCode::kDType, [] { negative(of<bool>({true})); });
}

}  // namespace
}  // namespace uma

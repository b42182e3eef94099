// Attention against loops in f64, over shapes, dtypes, options, instruction sets and thread counts.
#include "fast/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/thread_pool.h"
#include "core/eval.h"
#include "fast/kv8.h"
#include "fast/testing.h"
#include "ops/cast.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma {
namespace {

using testing::expect_close;
using testing::expect_error;
using testing::random_array;

struct Case {
  int64_t batch = 1, heads = 4, kv_heads = 2, queries = 1, keys = 64, dim = 64, value_dim = 64;
  DType q = DType::float32, kv = DType::float32;
  AttentionOptions options{.scale = 0.125f, .causal = true};

  std::string name() const {
    return fmt::format("B{} H{}/{} T{} S{} D{}/{} q {} kv {} causal {} window {} softcap {} mask {}", batch,
                       heads, kv_heads, queries, keys, dim, value_dim, name_of(q), name_of(kv),
                       options.causal, options.window, options.softcap,
                       options.mask ? to_string(options.mask->shape()) : "none");
  }
};

struct Inputs {
  array q, k, v;
};

// 8-bit rows as what they stand for.
array floats(const array& rows) {
  return rows.dtype() == DType::uint8 ? dequantize_kv(rows) : rows;
}

Inputs inputs_of(const Case& c) {
  if (c.kv == DType::uint8) {
    Case wide = c;
    wide.kv = DType::float32;
    const Inputs in = inputs_of(wide);
    return {in.q, quantize_kv(in.k), quantize_kv(in.v)};
  }
  return {random_array({c.batch, c.heads, c.queries, c.dim}, 1, c.q, 2.0f),
          random_array({c.batch, c.kv_heads, c.keys, c.dim}, 2, c.kv, 2.0f),
          random_array({c.batch, c.kv_heads, c.keys, c.value_dim}, 3, c.kv)};
}

array run(const Inputs& in, const AttentionOptions& options) {
  return scaled_dot_product_attention(in.q, in.k, in.v, options);
}

bool sees(const Case& c, int64_t t, int64_t j) {
  const int64_t at = c.keys - c.queries + t;
  return !c.options.causal || (j <= at && (c.options.window == 0 || at - j < c.options.window));
}

std::vector<double> naive(const Case& c, const Inputs& in) {
  const auto q = testing::as_doubles(in.q), k = testing::as_doubles(in.k), v = testing::as_doubles(in.v);
  std::vector<double> mask;
  if (c.options.mask) {
    const array& m = *c.options.mask;
    const Shape full{c.batch, c.heads, c.queries, c.keys};
    mask = testing::as_doubles(broadcast_to(m, full));
    if (m.dtype() == DType::bool_)
      for (double& x : mask) x = x != 0 ? 0 : -std::numeric_limits<double>::infinity();
  }
  const std::vector<double> sinks =
      c.options.sinks ? testing::as_doubles(*c.options.sinks) : std::vector<double>();
  std::vector<double> out;
  std::vector<double> p(static_cast<size_t>(c.keys));
  for (int64_t b = 0; b < c.batch; ++b)
    for (int64_t h = 0; h < c.heads; ++h)
      for (int64_t t = 0; t < c.queries; ++t) {
        const int64_t row = (b * c.heads + h) * c.queries + t;
        const int64_t kv = b * c.kv_heads + h / (c.heads / c.kv_heads);
        double top = -std::numeric_limits<double>::infinity(), total = 0;
        for (int64_t j = 0; j < c.keys; ++j) {
          double s = 0;
          for (int64_t d = 0; d < c.dim; ++d)
            s += q[static_cast<size_t>(row * c.dim + d)] *
                 k[static_cast<size_t>((kv * c.keys + j) * c.dim + d)];
          s *= c.options.scale;
          if (c.options.softcap > 0) s = std::tanh(s / c.options.softcap) * c.options.softcap;
          if (!mask.empty()) s += mask[static_cast<size_t>(row * c.keys + j)];
          if (!sees(c, t, j)) s = -std::numeric_limits<double>::infinity();
          p[static_cast<size_t>(j)] = s;
          top = std::max(top, s);
        }
        if (!sinks.empty() && !std::isinf(top)) {
          const double sink = sinks[static_cast<size_t>(h)];
          top = std::max(top, sink);
          total = std::exp(sink - top);
        }
        for (double& x : p) {
          x = std::isinf(top) ? 0 : std::exp(x - top);
          total += x;
        }
        for (int64_t d = 0; d < c.value_dim; ++d) {
          double sum = 0;
          for (int64_t j = 0; j < c.keys; ++j)
            sum += p[static_cast<size_t>(j)] * v[static_cast<size_t>((kv * c.keys + j) * c.value_dim + d)];
          out.push_back(total == 0 ? 0 : sum / total);
        }
      }
  return out;
}

double tolerance(DType d) {
  return d == DType::float32 ? 3e-6 : d == DType::float16 ? 1e-3 : 8e-3;
}

// Every instruction set of this machine, and 1, 2 and 3 threads: within an instruction set, the same bits.
void check_case(const Case& c) {
  SCOPED_TRACE(c.name());
  const Inputs in = inputs_of(c);
  const std::vector<double> expected = naive(c, {in.q, floats(in.k), floats(in.v)});
  testing::for_each_isa([&] {
    std::vector<double> first;
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      const std::vector<double> got = testing::as_doubles(run(in, c.options));
      if (threads == 1) {
        expect_close(got, expected, tolerance(c.q));
        first = got;
      } else {
        EXPECT_EQ(got, first) << threads << " threads";
      }
    }
    set_num_threads(0);
  });
}

TEST(Attention, QueriesAndKeysOfEveryLength) {
  for (const int64_t t : {1, 2, 3, 7, 64, 65, 200})
    for (const int64_t s : {1, 3, 4, 63, 64, 65, 300, 600})
      if (s >= t && t * s <= 60000) check_case({.queries = t, .keys = s});
}

TEST(Attention, LongContextIsCutIntoRanges) {
  check_case({.heads = 7, .kv_heads = 1, .queries = 1, .keys = 5000});
  check_case({.heads = 7, .kv_heads = 1, .queries = 5, .keys = 2100, .kv = DType::float16});
}

TEST(Attention, GroupsOfHeadsAndBatches) {
  for (const auto& [heads, kv] :
       {std::pair<int64_t, int64_t>{1, 1}, {6, 6}, {14, 2}, {5, 1}, {32, 2}, {20, 1}})
    for (const int64_t t : {1, 9})
      check_case({.batch = 2, .heads = heads, .kv_heads = kv, .queries = t, .keys = 70});
}

TEST(Attention, FeaturesOfEverySize) {
  for (const int64_t d : {1, 2, 7, 16, 24, 33, 64, 80, 96, 128, 256})
    for (const int64_t t : {1, 4, 40}) {
      check_case({.queries = t, .keys = 75, .dim = d, .value_dim = d, .kv = DType::float16});
      check_case({.queries = t, .keys = 75, .dim = d, .value_dim = 48});
    }
}

TEST(Attention, EveryDtype) {
  for (const DType q : {DType::float32, DType::float16, DType::bfloat16})
    for (const DType kv : {DType::float32, DType::float16, DType::bfloat16})
      for (const int64_t t : {1, 33}) check_case({.queries = t, .keys = 130, .q = q, .kv = kv});
  // Keys and values may differ.
  Inputs in = inputs_of({.keys = 50});
  const array half = astype(in.v, DType::float16), wide = astype(half, DType::float32);
  const AttentionOptions options{.scale = 0.2f};
  expect_close(testing::as_doubles(scaled_dot_product_attention(in.q, in.k, half, options)),
               testing::as_doubles(scaled_dot_product_attention(in.q, in.k, wide, options)), 1e-6);
}

TEST(Attention, EightBitKeysAndValues) {
  for (const int64_t d : {4, 32, 36, 64, 80, 128, 256})
    for (const int64_t t : {1, 3, 40})
      check_case({.queries = t, .keys = 75, .dim = d, .value_dim = d, .kv = DType::uint8});
  check_case({.heads = 7, .kv_heads = 1, .queries = 1, .keys = 5000, .kv = DType::uint8});
  check_case(
      {.queries = 70, .keys = 300, .dim = 64, .value_dim = 32, .q = DType::bfloat16, .kv = DType::uint8});
  // Without a kernel: its composition.
  const Inputs in = inputs_of({.queries = 3, .keys = 20, .kv = DType::uint8});
  const AttentionOptions options{.scale = 0.125f, .causal = true};
  const array out = run(in, options);
  const array inputs[] = {in.q, in.k, in.v};
  const array composed = attention_fallback(*out.node(), inputs)[0];
  expect_close(testing::as_doubles(composed), testing::as_doubles(out), 3e-6);
  expect_error(ErrorCode::kDType, [&] { scaled_dot_product_attention(in.q, in.k, floats(in.v), options); });
  // Values alone.
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
    const array keys = astype(floats(in.k), dtype);
    expect_close(testing::as_doubles(run({in.q, keys, in.v}, options)),
                 testing::as_doubles(run({in.q, keys, floats(in.v)}, options)), 1e-6);
  }
  expect_error(ErrorCode::kShape, [&] { run({slice_axis(in.q, -1, 0, 32), in.k, in.v}, options); });
}

TEST(Attention, WindowsSoftcapAndNoCausality) {
  for (const int64_t t : {1, 5, 100})
    for (const int64_t window : {int64_t{1}, int64_t{2}, int64_t{17}, int64_t{64}, INT64_MAX}) {
      check_case({.queries = t, .keys = 300, .options = {.scale = 0.125f, .causal = true, .window = window}});
      check_case({.queries = t,
                  .keys = 300,
                  .kv = DType::bfloat16,
                  .options = {.scale = 0.5f, .causal = true, .window = window, .softcap = 3.0f}});
    }
  for (const int64_t t : {1, 5, 100}) {
    check_case({.queries = t, .keys = 90, .options = {.scale = 0.125f}});
    check_case({.queries = t, .keys = 90, .options = {.scale = 0.3f, .softcap = 30.0f}});
  }
}

TEST(Attention, Masks) {
  const int64_t s = 83;
  for (const int64_t t : {2, 40}) {
    for (const Shape& shape : {Shape{s}, Shape{t, s}, Shape{t, 1}, Shape{4, 1, s}, Shape{2, 4, t, s},
                               Shape{2, 1, 1, s}, Shape{1, 1, 1, 1}, Shape{}}) {
      for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
        AttentionOptions options{.scale = 0.125f, .mask = random_array(shape, 9, dtype, 3.0f)};
        check_case({.batch = 2, .queries = t, .keys = s, .options = options});
      }
      AttentionOptions options{.scale = 0.125f, .causal = true};
      options.mask = greater(random_array(shape, 10), array(-0.5f));
      check_case({.batch = 2, .queries = t, .keys = s, .options = options});
    }
  }
}

TEST(Attention, Sinks) {
  // Below the scores, among them, far above them; the long contexts are cut into ranges.
  const array sinks({-30.0f, 0.5f, 2.0f, 100.0f});
  for (const int64_t t : {1, 5, 130})
    for (const int64_t s : {130, 2000})
      for (const DType d : {DType::float32, DType::float16})
        check_case({.queries = t,
                    .keys = s,
                    .q = d,
                    .kv = d,
                    .options = {.scale = 0.125f, .causal = true, .window = 100, .sinks = sinks}});
  check_case({.queries = 3, .keys = 0, .options = {.scale = 1.0f, .sinks = sinks}});
  check_case({.queries = 2,
              .options = {.scale = 1, .softcap = 3, .mask = random_array({2, 64}, 9), .sinks = sinks}});
}

TEST(Attention, FewQueriesGetTheBitsThatEachGetsAlone) {
  for (const int64_t heads : {4, 14})
    for (const int64_t keys : {9, 255, 260, 2050, 9000})
      for (const int64_t window : {0, 300}) {
        const Case c{.heads = heads, .queries = 8, .keys = keys, .kv = DType::float16};
        const Inputs in = inputs_of(c);
        AttentionOptions options{.scale = 0.125f, .causal = true, .window = window, .softcap = 20};
        options.sinks = random_array({heads}, 5);
        const auto part = [](const array& x, int64_t begin, int64_t end) {
          return slice(x, {0, 0, begin, 0}, {1, x.shape(1), end, x.shape(3)});
        };
        const array together = run(in, options);
        for (int64_t t = 0; t < 8; ++t) {
          const int64_t seen = keys - 7 + t;
          const Inputs alone{part(in.q, t, t + 1), part(in.k, 0, seen), part(in.v, 0, seen)};
          EXPECT_EQ(testing::as_doubles(run(alone, options)), testing::as_doubles(part(together, t, t + 1)))
              << heads << " heads, query " << t << " of " << keys << " keys, window " << window;
        }
      }
}

TEST(Attention, ResultHasWhatTheInputsPromoteTo) {
  const auto dtype_for = [](DType q, DType kv) {
    return run(inputs_of({.q = q, .kv = kv}), {.scale = 1.0f}).dtype();
  };
  EXPECT_EQ(dtype_for(DType::float16, DType::float16), DType::float16);
  EXPECT_EQ(dtype_for(DType::float32, DType::float16), DType::float32);
  EXPECT_EQ(dtype_for(DType::float16, DType::float32), DType::float32);
  EXPECT_EQ(dtype_for(DType::bfloat16, DType::float16), DType::float32);
}

TEST(Attention, RowsThatSeeNothingAreZero) {
  // More queries than keys: the first ones stand before the first key.
  check_case({.queries = 5, .keys = 3});
  check_case({.queries = 70, .keys = 20});
  AttentionOptions options{.scale = 1.0f};
  options.mask = array({false, true}, Shape{2, 1});
  check_case({.queries = 2, .keys = 70, .options = options});
  for (const int64_t t : {1, 30}) {
    const Case none{.queries = t, .keys = 0};
    EXPECT_EQ(run(inputs_of(none), none.options).to_vector<float>(),
              std::vector<float>(static_cast<size_t>(4 * t * 64), 0.0f));
  }
  const Case empty{.queries = 0, .keys = 4};
  EXPECT_EQ(run(inputs_of(empty), empty.options).size(), 0);
}

TEST(Attention, NaNsReachTheirOwnRowsOnly) {
  for (const int64_t t : {3, 40}) {
    const Case c{.heads = 2, .kv_heads = 2, .queries = t, .keys = 150};
    const Inputs in = inputs_of(c);
    auto q = in.q.to_vector<float>();
    q[64] = std::nanf("");  // head 0, query 1
    const array poisoned(std::span<const float>(q), in.q.shape());
    testing::for_each_isa([&] {
      const auto good = run(in, c.options).to_vector<float>();
      const auto got = run({poisoned, in.k, in.v}, c.options).to_vector<float>();
      for (size_t i = 0; i < got.size(); ++i) {
        if (i / 64 == 1)
          EXPECT_TRUE(std::isnan(got[i])) << i;
        else
          EXPECT_EQ(got[i], good[i]) << i;
      }
    });
  }
}

TEST(Attention, HugeScoresDoNotOverflow) {
  const Case c{.queries = 3, .keys = 40, .options = {.scale = 1e4f, .causal = true}};
  for (const double x : testing::as_doubles(run(inputs_of(c), c.options))) EXPECT_TRUE(std::isfinite(x));
}

TEST(Attention, InputsMayBeViews) {
  const Case c{.queries = 20, .keys = 50, .kv = DType::float16};
  const Inputs in = inputs_of(c);
  const array expected = run(in, c.options);
  // q from (B, T, H, D), k and v from the middle of a longer cache.
  const array q = transpose(contiguous(transpose(in.q, {0, 2, 1, 3})), {0, 2, 1, 3});
  const auto in_cache = [&](const array& x) {
    const array pad = random_array({1, 2, 9, 64}, 5, c.kv);
    return slice(concatenate({pad, x, pad}, 2), {0, 0, 9, 0}, {1, 2, 59, 64});
  };
  EXPECT_EQ(run({q, in_cache(in.k), in_cache(in.v)}, c.options).to_vector<float>(),
            expected.to_vector<float>());
  // Features that are not neighbours.
  const auto spread = [](const array& x) { return swapaxes(contiguous(swapaxes(x, 2, 3)), 2, 3); };
  EXPECT_EQ(run({spread(in.q), spread(in.k), spread(in.v)}, c.options).to_vector<float>(),
            expected.to_vector<float>());
}

TEST(Attention, ResultLiesSoThatJoiningTheHeadsIsAView) {
  const Case c{.queries = 6, .keys = 10};
  const array out = run(inputs_of(c), c.options);
  const array joined = reshape(transpose(out, {0, 2, 1, 3}), {1, 6, 256});
  eval(std::vector<array>{out, joined});
  EXPECT_EQ(joined.buffer(), out.buffer());
}

TEST(Attention, FallbackGivesTheSame) {
  for (const int64_t t : {1, 6, 30}) {
    AttentionOptions options{.scale = 0.2f, .causal = true, .window = 13, .softcap = 5.0f};
    options.mask = random_array({4, 1, 40}, 4);
    AttentionOptions with_sinks = options;
    with_sinks.sinks = array({0.5f, -1.0f, 3.0f, 0.0f});
    for (const AttentionOptions& o : {options, with_sinks, AttentionOptions{.scale = 0.1f, .causal = true}}) {
      const Inputs in = inputs_of({.queries = t, .keys = 40, .kv = DType::float16});
      const array lazy = run(in, o);
      const auto composed = attention_fallback(*lazy.node(), lazy.node()->inputs);
      expect_close(testing::as_doubles(lazy), testing::as_doubles(composed[0]), 5e-6);
    }
  }
}

TEST(Attention, RefusesWhatDoesNotFit) {
  const auto zeros = [](Shape shape, DType dtype = DType::float32) { return random_array(shape, 1, dtype); };
  const array q = zeros({1, 4, 2, 8}), k = zeros({1, 2, 5, 8}), v = zeros({1, 2, 5, 8});
  const AttentionOptions ok{.scale = 1.0f};
  const auto refuse = [&](ErrorCode code, const array& a, const array& b, const array& c,
                          const AttentionOptions& o) {
    expect_error(code, [&] { scaled_dot_product_attention(a, b, c, o); });
  };
  refuse(ErrorCode::kShape, zeros({4, 2, 8}), k, v, ok);
  refuse(ErrorCode::kShape, zeros({2, 4, 2, 8}), k, v, ok);
  refuse(ErrorCode::kShape, zeros({1, 3, 2, 8}), k, v, ok);
  refuse(ErrorCode::kShape, zeros({1, 4, 2, 9}), k, v, ok);
  refuse(ErrorCode::kShape, q, k, zeros({1, 2, 4, 8}), ok);
  refuse(ErrorCode::kShape, q, k, zeros({1, 1, 5, 8}), ok);
  refuse(ErrorCode::kShape, zeros({1, 4, 2, 0}), zeros({1, 2, 5, 0}), v, ok);
  refuse(ErrorCode::kShape, q, zeros({1, 0, 5, 8}), zeros({1, 0, 5, 8}), ok);
  refuse(ErrorCode::kDType, zeros({1, 4, 2, 8}, DType::int32), k, v, ok);
  refuse(ErrorCode::kDType, q, k, zeros({1, 2, 5, 8}, DType::float64), ok);
  refuse(ErrorCode::kInvalidArgument, q, k, v, {.scale = std::nanf("")});
  refuse(ErrorCode::kInvalidArgument, q, k, v, {.scale = 1.0f, .causal = true, .window = -1});
  refuse(ErrorCode::kInvalidArgument, q, k, v, {.scale = 1.0f, .window = 4});
  refuse(ErrorCode::kInvalidArgument, q, k, v, {.scale = 1.0f, .softcap = -1.0f});
  refuse(ErrorCode::kInvalidArgument, q, k, v, {.scale = 1.0f, .softcap = INFINITY});
  refuse(ErrorCode::kShape, q, k, v, {.scale = 1.0f, .mask = zeros({2, 4})});
  refuse(ErrorCode::kShape, q, k, v, {.scale = 1.0f, .mask = zeros({1, 1, 4, 2, 5})});
  refuse(ErrorCode::kDType, q, k, v, {.scale = 1.0f, .mask = zeros({2, 5}, DType::int32)});
  refuse(ErrorCode::kShape, q, k, v, {.scale = 1.0f, .sinks = zeros({2})});
  refuse(ErrorCode::kShape, q, k, v, {.scale = 1.0f, .sinks = zeros({4, 1})});
  refuse(ErrorCode::kDType, q, k, v, {.scale = 1.0f, .sinks = zeros({4}, DType::int32)});
}

}  // namespace
}  // namespace uma

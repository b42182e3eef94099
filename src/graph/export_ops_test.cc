// Every op of the registries, written to a file, read, and run: the same bits.
#include <gtest/gtest.h>

#include <set>

#include "fast/gated_delta.h"
#include "fast/qqmm.h"
#include "fast/registry.h"
#include "graph/rules.h"
#include "graph/testing.h"
#include "ops/registry.h"

namespace uma {
namespace {

using testing::random_array;
using Arrays = std::vector<array>;

struct Case {
  std::string_view name;
  Function f;
  Arrays inputs;
};

array f32(const Shape& shape, uint32_t seed, double lo = 0.1, double hi = 0.9) {
  return random_array(shape, seed, lo, hi, DType::float32);
}
array i32(const Shape& shape, uint32_t seed, double lo = 0, double hi = 3) {
  return random_array(shape, seed, lo, hi, DType::int32);
}
array c64(const Shape& shape, uint32_t seed) {
  return make_complex(f32(shape, seed), f32(shape, seed + 100));
}

// Of the dtypes that it takes.
std::vector<Case> elementwise() {
  std::vector<Case> cases;
  const Arrays kinds[] = {{f32({2, 3}, 1), f32({2, 3}, 2)},
                          {i32({2, 3}, 3), i32({2, 3}, 4)},
                          {c64({2, 3}, 5), c64({2, 3}, 6)},
                          {random_array({2, 3}, 7, 0.1, 0.9, DType::bfloat16), f32({3}, 8)}};
  for (const OpInfo* op : kOps) {
    const UnaryOp unary = unary_function(*op);
    const BinaryOp binary = binary_function(*op);
    if (!unary && !binary) continue;
    size_t taken = 0;
    for (const Arrays& x : kinds) {
      const Function f = [=](const Arrays& v) { return Arrays{unary ? unary(v[0]) : binary(v[0], v[1])}; };
      try {
        eval(f(x));
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kDType) << e.what();
        continue;
      }
      ++taken;
      cases.push_back({op->name, f, x});
    }
    EXPECT_GT(taken, 0u) << op->name;
  }
  cases.push_back(
      {"select", [](const Arrays& x) { return Arrays{where(less(x[0], x[1]), x[0], x[1])}; }, kinds[0]});
  cases.push_back({"complex", [](const Arrays& x) { return Arrays{make_complex(x[0], x[1])}; }, kinds[0]});
  return cases;
}

std::vector<Case> shapes() {
  const array x = f32({2, 3, 4}, 1);
  return {
      {"astype",
       [](const Arrays& v) {
         return Arrays{astype(v[0], DType::float16), astype(v[0], DType::bool_)};
       },
       {x}},
      {"stop_gradient", [](const Arrays& v) { return Arrays{stop_gradient(v[0]) + v[0]}; }, {x}},
      {"reshape",
       [](const Arrays& v) {
         return Arrays{reshape(v[0], {4, 6})};
       },
       {x}},
      {"transpose",
       [](const Arrays& v) {
         return Arrays{transpose(v[0], {2, 0, 1})};
       },
       {x}},
      {"broadcast",
       [](const Arrays& v) {
         return Arrays{broadcast_to(v[0], {5, 2, 3, 4})};
       },
       {x}},
      {"contiguous", [](const Arrays& v) { return Arrays{contiguous(transpose(v[0]))}; }, {x}},
      {"slice",
       [](const Arrays& v) {
         return Arrays{slice(v[0], {0, 2, 3}, {2, 0, -1}, {1, -1, -2})};
       },
       {x}},
      {"slice_update",
       [](const Arrays& v) {
         return Arrays{slice_update(v[0], v[1], {0, 1, 2})};
       },
       {x, f32({1, 2, 2}, 2)}},
      {"as_strided",
       [](const Arrays& v) {
         return Arrays{as_strided(v[0], {3, 5}, {2, 1}, 4)};
       },
       {x}},
      {"view", [](const Arrays& v) { return Arrays{view(v[0], DType::uint16)}; }, {x}},
      {"depends", [](const Arrays& v) { return depends({v[0]}, {v[0] * v[0]}); }, {x}},
      {"concatenate",
       [](const Arrays& v) {
         return Arrays{concatenate({v[0], v[1]}, 1)};
       },
       {x, f32({2, 2, 4}, 2)}},
      {"arange", [](const Arrays& v) { return Arrays{v[0] + arange(0, 4, 1, DType::float32)}; }, {x}},
      {"count",
       [](const Arrays& v) {
         return Arrays{number_of_elements(v[0], {0, 2}, DType::float32)};
       },
       {x}},
      {"matmul", [](const Arrays& v) { return Arrays{matmul(v[0], v[1])}; }, {x, f32({4, 5}, 3)}},
      {"conv",
       [](const Arrays& v) {
         return Arrays{
             conv_general(v[0], v[1], {.stride = {2, 1}, .padding_lo = {1}, .kernel_dilation = {1, 2}})};
       },
       {f32({1, 5, 6, 3}, 2), f32({8, 2, 2, 3}, 3)}},
      {"half", [](const Arrays& v) { return Arrays{v[0] * 1.5}; }, {astype(x, DType::float16)}},
      {"empty",
       [](const Arrays& v) {
         return Arrays{sum(v[0], {1}), v[0] + 1.0};
       },
       {f32({2, 0, 3}, 1)}},
  };
}

std::vector<Case> along_axes() {
  const array x = f32({3, 5}, 1);
  return {
      {"reduce",
       [](const Arrays& v) {
         return Arrays{sum(v[0], {0}), prod(v[0], {1}, true), max(v[0]), min(v[0], {-1}),
                       all(v[0]),      any(v[0], {0})};
       },
       {x}},
      {"arg_reduce",
       [](const Arrays& v) {
         return Arrays{argmax(v[0], 1), argmin(v[0], 0, true)};
       },
       {x}},
      {"softmax",
       [](const Arrays& v) {
         return Arrays{softmax(v[0], 0), logsumexp(v[0])};
       },
       {x}},
      {"sort",
       [](const Arrays& v) {
         return Arrays{sort(v[0], 0), argsort(v[0], 1), topk(v[0], 1, 1)};
       },
       {x}},
      {"scan",
       [](const Arrays& v) {
         return Arrays{cumsum(v[0], 0, true), cumprod(v[0], 1, false, false)};
       },
       {x}},
      {"cumulative",
       [](const Arrays& v) {
         return Arrays{cummax(v[0], 1), cummin(v[0], 0, true), logcumsumexp(v[0], 1)};
       },
       {x}},
      {"fft",
       [](const Arrays& v) {
         return Arrays{fft::fft(v[0]), fft::irfft(fft::rfft(v[0], 7)), fft::ifft(v[0], 4, 0)};
       },
       {x}},
      {"random",
       [](const Arrays& v) {
         using namespace random;
         return Arrays{random::bits({3}, 1, v[0]), random::bits({2, 2}, 4, v[0]),
                       normal({5}, DType::float32, {}, {}, v[0]), uniform(-1, 2, {4}, DType::float32, v[0])};
       },
       {random::key(7)}},
  };
}

std::vector<Case> by_indices() {
  const array x = f32({4, 5}, 1), rows = i32({3}, 2), columns = i32({3}, 3);
  std::vector<Case> cases{
      {"take", [](const Arrays& v) { return Arrays{take(v[0], v[1], 1)}; }, {x, rows}},
      {"take_along_axis",
       [](const Arrays& v) { return Arrays{take_along_axis(v[0], v[1], 0)}; },
       {x, i32({2, 5}, 4)}},
      {"scatter_add",
       [](const Arrays& v) { return Arrays{scatter_add(v[0], v[1], v[2], 0)}; },
       {x, rows, f32({3, 5}, 5)}},
      {"scatter_add_along_axis",
       [](const Arrays& v) { return Arrays{scatter_add_along_axis(v[0], v[1], v[2], 1)}; },
       {x, i32({4, 2}, 6), f32({4, 2}, 7)}},
      {"gather",
       [](const Arrays& v) {
         return Arrays{gather(v[0], {v[1], v[2]}, {0, 1})};
       },
       {x, rows, columns}},
      {"searchsorted",
       [](const Arrays& v) {
         return Arrays{searchsorted(v[0], v[1]), searchsorted(v[0], v[1], "right")};
       },
       {arange(0, 5), i32({2, 3}, 8)}},
  };
  for (const ScatterMode mode : {ScatterMode::assign, ScatterMode::add, ScatterMode::multiply,
                                 ScatterMode::maximum, ScatterMode::minimum})
    cases.push_back({"scatter",
                     [mode](const Arrays& v) {
                       return Arrays{scatter(v[0], {v[1], v[2]}, v[3], {0, 1}, mode)};
                     },
                     {x, array({0, 2, 3}), columns, f32({3}, 9)}});
  return cases;
}

std::vector<Case> factorizations() {
  const array a = f32({2, 3, 3}, 1), b = f32({2, 3, 2}, 2);
  const array symmetric = matmul(a, transpose(a, {0, 2, 1})) + eye(3) * 0.5;
  return {
      {"cholesky", [](const Arrays& v) { return Arrays{linalg::cholesky(v[0])}; }, {symmetric}},
      {"solve", [](const Arrays& v) { return Arrays{linalg::solve(v[0], v[1])}; }, {a, b}},
      {"solve_triangular",
       [](const Arrays& v) { return Arrays{linalg::solve_triangular(v[0], v[1], true)}; },
       {a, b}},
      {"inv",
       [](const Arrays& v) {
         return Arrays{linalg::inv(v[0]), linalg::tri_inv(v[0])};
       },
       {a}},
      {"inverse in a derivative",
       [](const Arrays& v) {
         return grad([](const Arrays& w) { return sum(linalg::slogdet(w[0]).second); }, {0})(v);
       },
       {zeros({3, 3})}},
      {"lu",
       [](const Arrays& v) {
         const auto [rows, l, u] = linalg::lu(v[0]);
         return Arrays{rows, l, u, linalg::lu_factor(v[0]).second};
       },
       {a}},
      {"det",
       [](const Arrays& v) {
         return Arrays{linalg::det(v[0]), linalg::slogdet(v[0]).first, linalg::cofactor(v[0])};
       },
       {a}},
      {"qr",
       [](const Arrays& v) {
         return Arrays{linalg::qr(v[0]).first, linalg::qr(v[0]).second};
       },
       {b}},
      {"svd",
       [](const Arrays& v) {
         const linalg::Svd full = linalg::svd(v[0]), thin = linalg::svd(v[0], false);
         return Arrays{full.u, full.s, thin.u, thin.vt, linalg::singular_values(v[0])};
       },
       {b}},
      {"pinv", [](const Arrays& v) { return Arrays{linalg::pinv(v[0])}; }, {b}},
      {"eigh",
       [](const Arrays& v) {
         return Arrays{linalg::eigh(v[0]).second, linalg::eigh(v[0], true).first, linalg::eigvalsh(v[0])};
       },
       {symmetric}},
      {"eig",
       [](const Arrays& v) {
         return Arrays{linalg::eig(v[0]).second, linalg::eigvals(v[0])};
       },
       {a}},
  };
}

std::vector<Case> fast() {
  const array x = f32({2, 3, 8}, 1), w = f32({8}, 2), q = f32({1, 4, 3, 8}, 3), k = f32({1, 2, 5, 8}, 4);
  return {
      {"rms_norm",
       [](const Arrays& v) {
         return Arrays{rms_norm(v[0], v[1], 1e-5f), rms_norm(v[0], {}, 1e-6f)};
       },
       {x, w}},
      {"layer_norm",
       [](const Arrays& v) {
         return Arrays{layer_norm(v[0], v[1], v[1], 1e-5f), layer_norm(v[0], {}, v[1], 1e-5f),
                       layer_norm(v[0], v[1], {}, 1e-5f), layer_norm(v[0], {}, {}, 1e-5f)};
       },
       {x, w}},
      {"rope",
       [](const Arrays& v) {
         return Arrays{rope(v[0], 4, true, 1e4f, 0.5f, 3), rope(v[0], 8, false, 0, 1.0f, 1, v[1])};
       },
       {x, f32({4}, 5, 1, 3)}},
      {"attention",
       [](const Arrays& v) {
         return Arrays{
             scaled_dot_product_attention(v[0], v[1], v[1], {.scale = 0.3f, .causal = true, .window = 2}),
             scaled_dot_product_attention(v[0], v[1], v[1], {.scale = 1, .softcap = 2, .mask = v[2]})};
       },
       {q, k, f32({3, 5}, 6)}},
      {"silu_mul",
       [](const Arrays& v) {
         return Arrays{silu_mul(v[0], v[0]), gelu_tanh_mul(v[0], v[0])};
       },
       {x}},
      {"fake_quantize",
       [](const Arrays& v) { return Arrays{fake_quantize(v[0], PackedFormat::make("mxfp4", {}, {}))}; },
       {f32({4, 64}, 7)}},
      {"gated_delta_update",
       [](const Arrays& v) {
         const auto [out, state] = gated_delta_update(v[0], v[0], v[1], v[2], v[2]);
         return Arrays{out, state};
       },
       {f32({1, 3, 2, 8}, 8), f32({1, 3, 2, 4}, 9), f32({1, 3, 2}, 10)}},
  };
}

std::vector<Case> quantized() {
  std::vector<Case> cases;
  const array x = f32({3, 64}, 1), w = f32({4, 64}, 2, -1, 1);
  for (const char* mode : {"affine", "mxfp4", "mxfp8", "nvfp4"}) {
    const PackedFormat format = PackedFormat::make(mode, {}, {});
    cases.push_back({mode,
                     [=](const Arrays& v) {
                       Arrays out = quantize(v[1], format);
                       const auto biases = out.size() == 3 ? std::optional(out[2]) : std::nullopt;
                       out.push_back(dequantize(out[0], out[1], biases, format));
                       out.push_back(quantized_matmul(v[0], out[0], out[1], biases, true, format));
                       return out;
                     },
                     {x, w}});
  }
  // Q8_0: a scale of 1 (float16) and 32 values in each block. The weights are constants of the file.
  std::vector<uint8_t> bytes;
  for (int row = 0; row < 3; ++row) {
    bytes.insert(bytes.end(), {0x00, 0x3c});
    for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<uint8_t>((row * 7 + i * 5) % 11));
  }
  const QuantizedMatrix m{array(std::span<const uint8_t>(bytes), {3, 34}), QuantFormat::Q8_0, 3, 32};
  cases.push_back({"blocks",
                   [=](const Arrays& v) {
                     Arrays out = quantized_matmul(v[0], std::vector{m, m}, true);
                     out.push_back(quantized_embedding(m, v[1]));
                     out.push_back(dequantize(m));
                     out.push_back(quantize_kv(v[0]));
                     return out;
                   },
                   {f32({2, 32}, 3), i32({4}, 4)}});
  return cases;
}

using Family = std::vector<Case> (*)();
constexpr Family kFamilies[] = {elementwise, shapes, along_axes, by_indices, factorizations, fast, quantized};

class ExportOps : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(All, ExportOps, ::testing::Range(size_t{0}, std::size(kFamilies)));

TEST_P(ExportOps, SurviveAFile) {
  for (const Case& c : kFamilies[GetParam()]()) {
    SCOPED_TRACE(c.name);
    testing::expect_survives_a_file(c.f, c.inputs);
  }
}

TEST(ExportOpsTable, NoneIsMissing) {
  std::set<const OpInfo*> seen;
  for (const Family family : kFamilies)
    for (const Case& c : family()) {
      const auto named = [&](const Arrays& x, const Keywords&) { return c.f(x); };
      for (const Graph::Step& step : trace_function(named, c.inputs, {}, false).graph.steps)
        seen.insert(step.node->op);
    }
  std::vector<const OpInfo*> all(kOps.begin(), kOps.end());
  all.insert(all.end(), kFastOps.begin(), kFastOps.end());
  for (const OpInfo* op : all) {
    EXPECT_EQ(find_exported(op->name), op) << op->name;
    EXPECT_TRUE(seen.count(op)) << op->name << " is in no test";
  }
}

}  // namespace
}  // namespace uma

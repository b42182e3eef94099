#include "ops/creation.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

array iota(const Shape& shape) {
  return reshape(arange(0, static_cast<double>(num_elements(shape)), 1, DType::float64), shape);
}
array indices(std::initializer_list<int> v) {
  return array(v);
}

TEST(Slice, FollowsPython) {
  const array x = iota({7});
  const auto cut = [&](int64_t a, int64_t b, int64_t step) { return values_of(slice(x, {a}, {b}, {step})); };
  expect_near(cut(1, 5, 2), {1, 3});
  expect_near(cut(-3, 7, 1), {4, 5, 6});
  expect_near(cut(0, -2, 1), {0, 1, 2, 3, 4});
  expect_near(cut(0, 100, 3), {0, 3, 6});
  expect_near(cut(5, 2, 1), {});
  expect_near(cut(100, 200, 1), {});
  expect_near(cut(6, -1, -1), {6, 5, 4, 3, 2, 1, 0});
  expect_near(cut(5, 0, -2), {5, 3, 1});
  expect_near(cut(INT64_MAX, -1, -INT64_MAX), {6});
  expect_near(cut(INT64_MIN + 10, INT64_MAX, INT64_MAX), {0});
  expect_near(values_of(slice(iota({3, 4}), {1, 0}, {3, 4}, {1, 3})), {4, 7, 8, 11});
  expect_error(ErrorCode::kInvalidArgument, [&] { cut(0, 1, 0); });
  expect_error(ErrorCode::kInvalidArgument, [&] { cut(0, 1, INT64_MIN); });
  expect_error(ErrorCode::kShape, [&] { slice(x, {0, 0}, {1, 1}); });
  expect_error(ErrorCode::kShape, [&] { slice(x, {0}, {1}, {1, 1}); });
}

TEST(Slice, SharesMemory) {
  const array x = iota({4, 4});
  const array y = slice(x, {1, 0}, {4, 4}, {2, 3});
  eval(std::vector<array>{x, y});
  EXPECT_EQ(y.buffer(), x.buffer());
}

TEST(SliceUpdate, WritesABlock) {
  for (const array& x : layouts_of(iota({3, 4}))) {
    expect_near(values_of(slice_update(x, f64({-1, -2}, {2, 1}), {1, 2})),
                {0, 1, 2, 3, 4, 5, -1, 7, 8, 9, -2, 11});
    expect_near(values_of(x), values_of(iota({3, 4})));
  }
  expect_near(values_of(slice_update(zeros({3}), array({5.f}), {1})), {0, 5, 0});
  expect_error(ErrorCode::kShape, [] { slice_update(iota({3}), f64({1, 2}), {2}); });
  expect_error(ErrorCode::kShape, [] { slice_update(iota({3}), f64({1}), {-1}); });
  expect_error(ErrorCode::kShape, [] { slice_update(iota({3}), f64({1}), {0, 0}); });
  expect_error(ErrorCode::kDType, [] { slice_update(iota({3}), array({1.f}), {0}); });
}

TEST(SliceUpdate, WritesInPlaceOnlyWhereNobodyElseLooks) {
  array x = exp(iota({4}));
  x.eval();
  const auto* memory = x.buffer().get();
  array y = slice_update(std::move(x), f64({9}), {1});
  x = y;
  y.eval();
  EXPECT_EQ(y.buffer().get(), memory);
  const array z = slice_update(y, f64({7}), {0});
  EXPECT_EQ(values_of(z)[0], 7);
  EXPECT_EQ(values_of(y)[0], 1);
}

TEST(Take, PicksRows) {
  for (const array& x : layouts_of(iota({3, 4}))) {
    expect_near(values_of(take(x, indices({2, 0, -1}))), {8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11});
    expect_near(values_of(take(x, indices({3, -4}), 1)), {3, 0, 7, 4, 11, 8});
    EXPECT_EQ(take(x, reshape(indices({0, 1, 2, 0, 1, 2}), {3, 2}), 1).shape(), (Shape{3, 3, 2}));
    EXPECT_EQ(take(x, array(1), -1).shape(), (Shape{3}));
  }
  EXPECT_EQ(take(iota({3, 2}), zeros({0}, DType::int32)).shape(), (Shape{0, 2}));
  for (const DType d : {DType::uint8, DType::int64, DType::uint32})
    expect_near(values_of(take(iota({3}), astype(indices({2, 1}), d))), {2, 1});
}

TEST(Take, Refuses) {
  const array x = iota({3, 4});
  expect_error(ErrorCode::kDType, [&] { take(x, array({1.f})); });
  expect_error(ErrorCode::kDType, [&] { take(x, array({true})); });
  expect_error(ErrorCode::kIndex, [&] { take(x, indices({0}), 2); });
  for (const int bad : {3, -4, INT32_MAX}) {
    expect_error(ErrorCode::kInvalidArgument, [&] { take(x, indices({0, bad})).eval(); });
    expect_error(ErrorCode::kInvalidArgument, [&] {
      take_along_axis(x, broadcast_to(array(bad), {1, 4}), 0).eval();
    });
    expect_error(ErrorCode::kInvalidArgument, [&] {
      scatter_add(x, indices({bad}), ones({1, 4}), 0).eval();
    });
  }
  expect_error(ErrorCode::kShape, [&] { take_along_axis(x, indices({0}), 0); });
  expect_error(ErrorCode::kShape, [&] { take_along_axis(x, zeros({2, 3}, DType::int32), 0); });
  expect_error(ErrorCode::kShape, [&] { scatter_add(x, indices({0}), ones({2, 4}), 0); });
  expect_error(ErrorCode::kShape, [&] { scatter_add_along_axis(x, indices({0}), ones({1}), 0); });
}

TEST(TakeAlongAxis, PicksElements) {
  const array x = iota({2, 3});
  expect_near(values_of(take_along_axis(x, array({2, 0, -1, 1}, {2, 2}), 1)), {2, 0, 5, 4});
  expect_near(values_of(take_along_axis(x, array({1, 0, 1}, {1, 3}), 0)), {3, 1, 5});
  expect_near(values_of(take_along_axis(x, array({1}, {1, 1}), 1)), {1, 4});
}

TEST(ScatterAdd, AddsUp) {
  const array x = iota({3, 2});
  expect_near(values_of(scatter_add(x, indices({0, 2, 0}), f64({1, 1, 10, 10, 100, 100}, {3, 2}))),
              {101, 102, 2, 3, 14, 15});
  expect_near(values_of(scatter_add(x, indices({1, 1}), f64({1, 2, 3, 4, 5, 6}, {3, 2}), 1)),
              {0, 4, 2, 10, 4, 16});
  expect_near(values_of(scatter_add_along_axis(x, array({1, 1, 0, 1, 1, 0}, {3, 2}), ones({3, 2}), 1)),
              {0, 3, 3, 4, 5, 6 - 0.0});
  EXPECT_EQ(scatter_add(array({INT32_MAX}), indices({0}), array({1})).item<int32_t>(), INT32_MIN);
}

TEST(Join, ConcatenatesStacksAndSplits) {
  const array x = iota({2, 2}), y = iota({2, 1});
  expect_near(values_of(concatenate({x, y}, 1)), {0, 1, 0, 2, 3, 1});
  expect_near(values_of(concatenate({x, zeros({0, 2}, DType::float64), x}, -2)), {0, 1, 2, 3, 0, 1, 2, 3});
  EXPECT_EQ(concatenate({array({1}), array({1.f})}).dtype(), DType::float32);
  expect_near(values_of(stack({f64({1, 2}), f64({3, 4})}, -1)), {1, 3, 2, 4});
  expect_near(values_of(stack({array(1.), array(2.)})), {1, 2});
  const auto parts = split(iota({6}), 3);
  expect_near(values_of(parts[1]), {2, 3});
  const auto cuts = split_at(iota({2, 5}), {1, 3}, 1);
  ASSERT_EQ(cuts.size(), 3u);
  expect_near(values_of(cuts[1]), {1, 2, 6, 7});
  expect_near(values_of(cuts[2]), {3, 4, 8, 9});
  expect_error(ErrorCode::kInvalidArgument, [] { concatenate({}); });
  expect_error(ErrorCode::kInvalidArgument, [] { stack({}); });
  expect_error(ErrorCode::kIndex, [&] { concatenate({x, y}, 2); });
  expect_error(ErrorCode::kShape, [&] { concatenate({x, y}, 0); });
  expect_error(ErrorCode::kShape, [&] { concatenate({x, iota({2})}, 0); });
  expect_error(ErrorCode::kShape, [&] { stack({x, y}); });
  expect_error(ErrorCode::kShape, [&] { split(iota({5}), 2); });
  expect_error(ErrorCode::kShape, [&] { split(iota({5}), 0); });
}

TEST(Indexing, Derivatives) {
  const array x = random_array({3, 4}, 1), row = random_array({2, 4}, 2), i = indices({2, 0, -1, 2});
  const array pick = array({2, 0, -1, 1, 1, 1, 0, 2}, {2, 4});
  const auto one = [](auto f) { return [=](const std::vector<array>& v) { return f(v[0]); }; };
  expect_derivatives(one([](const array& v) { return slice(v, {1, 0}, {3, 3}); }), {x});
  expect_derivatives(one([](const array& v) { return slice(v, {2, 3}, {-1, -1}, {-2, -3}); }), {x});
  expect_derivatives(one([](const array& v) { return slice(v, {0, 1}, {3, 4}, {2, 2}); }), {x});
  expect_derivatives(one([](const array& v) { return slice(v, {0, 1}, {3, 1}, {2, 2}); }), {x});
  expect_derivatives([](const std::vector<array>& v) { return slice_update(v[0], v[1], {1, 0}); }, {x, row});
  expect_derivatives(one([&](const array& v) { return take(v, i, 0); }), {x});
  expect_derivatives(one([&](const array& v) { return take(v, reshape(i, {2, 2}), 1); }), {x});
  expect_derivatives(one([&](const array& v) { return take_along_axis(v, pick, 0); }), {x});
  expect_derivatives([&](const std::vector<array>& v) { return scatter_add(v[0], v[1], v[2], 0); },
                     {x, indices({2, 2}), row});
  expect_derivatives([&](const std::vector<array>& v) { return scatter_add(v[0], v[1], v[2], 1); },
                     {x, indices({3, 1}), random_array({3, 2}, 4)});
  expect_derivatives([&](const std::vector<array>& v) { return scatter_add_along_axis(v[0], v[1], v[2], 0); },
                     {x, pick, row});
  expect_derivatives(
      [](const std::vector<array>& v) {
        return concatenate({v[0], v[1], v[0]}, 0);
      },
      {x, row});
  expect_derivatives([](const std::vector<array>& v) { return stack({v[0], v[0] * v[0]}, 1); }, {x});
}

TEST(Indexing, Vmap) {
  const array x = random_array({3, 4}, 1), xs = random_array({3, 5, 4}, 2);
  const array i = indices({2, 0, -1}), is = astype(random_array({3, 5}, 3, -3, 3), DType::int32);
  const auto both = [](const Fn& f, const std::vector<array>& v, const std::vector<std::vector<int>>& all) {
    for (const auto& axes : all) {
      SCOPED_TRACE(axes[0]);
      std::vector<array> now;
      for (size_t k = 0; k < axes.size(); ++k) now.push_back(v[k * 2 + (axes[k] < 0 ? 0 : 1)]);
      expect_vmap(f, now, axes);
    }
  };
  expect_vmap([](const std::vector<array>& v) { return slice(v[0], {2, 3}, {-1, -1}, {-2, -3}); }, {xs}, {1});
  both(
      [](const std::vector<array>& v) {
        return slice_update(v[0], v[1], {1, 0});
      },
      {x, xs, random_array({2, 4}, 4), random_array({2, 4, 5}, 5)}, {{1, -1}, {-1, 2}, {1, 2}});
  both([](const std::vector<array>& v) { return take(v[0], v[1], 0); }, {x, xs, i, is},
       {{1, -1}, {-1, 1}, {1, 1}});
  both([](const std::vector<array>& v) { return take(v[0], v[1], 1); }, {x, xs, i, is},
       {{1, -1}, {-1, 1}, {1, 1}});
  both([](const std::vector<array>& v) { return take(v[0], v[1], 1); },
       {
           x,
           xs,
           array(1),
           indices({2, 0, -1, 3, 1}),
       },
       {{1, -1}, {-1, 0}, {1, 0}});
  const array pick = array({2, 0, -1, 1}, {1, 4}),
              picks = astype(random_array({2, 4, 5}, 6, -3, 3), DType::int32);
  both([](const std::vector<array>& v) { return take_along_axis(v[0], v[1], 0); }, {x, xs, pick, picks},
       {{1, -1}, {-1, 2}, {1, 2}});
  const Fn add = [](const std::vector<array>& v) { return scatter_add(v[0], v[1], v[2], 0); };
  both(add, {x, xs, i, is, random_array({3, 4}, 7), random_array({5, 3, 4}, 8)},
       {{1, -1, -1}, {-1, 1, -1}, {-1, -1, 0}, {1, 1, 0}, {1, -1, 0}});
  const Fn add1 = [](const std::vector<array>& v) { return scatter_add(v[0], v[1], v[2], 1); };
  both(add1, {x, xs, i, is, random_array({3, 3}, 7), random_array({5, 3, 3}, 8)},
       {{1, -1, -1}, {-1, 1, -1}, {-1, -1, 0}, {1, 1, 0}});
  const Fn along = [](const std::vector<array>& v) { return scatter_add_along_axis(v[0], v[1], v[2], 1); };
  const array wide = array({0, 1, 1, 2, 3, -1}, {3, 2});
  both(along,
       {x, xs, wide, astype(random_array({3, 2, 5}, 9, -4, 4), DType::int32), random_array({3, 2}, 7),
        random_array({5, 3, 2}, 8)},
       {{1, -1, -1}, {-1, 2, -1}, {-1, -1, 0}, {1, 2, 0}});
  both(
      [](const std::vector<array>& v) {
        return concatenate({v[0], v[1]}, 1);
      },
      {x, xs, random_array({3, 2}, 4), random_array({3, 2, 5}, 5)}, {{1, -1}, {-1, 2}, {1, 2}});
  // An index that is out of range in its own batch must not read from the next.
  expect_error(ErrorCode::kInvalidArgument, [&] {
    vmap(many([](const std::vector<array>& v) { return take(v[0], v[1], 0); }))(
        {random_array({2, 3}, 1), array({0, 3}, {2, 1})})[0]
        .eval();
  });
}

}  // namespace
}  // namespace uma

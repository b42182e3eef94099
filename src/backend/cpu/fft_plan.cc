#include "backend/cpu/fft_plan.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <mutex>
#include <numbers>

#include "backend/cpu/fft_transform.h"

namespace uma::cpu {
namespace {

// What was made last for a length: programs use few, and each is as large as its data.
template <class T>
class Cache {
 public:
  template <class Make>
  std::shared_ptr<const T> get(int64_t n, Make make) {
    if (auto found = find(n)) return found;
    std::shared_ptr<const T> made = make(n);  // two threads may make the same one; both are right
    std::lock_guard lock(mutex_);
    kept_.emplace_front(n, made);
    if (kept_.size() > kKept) kept_.pop_back();
    return made;
  }

 private:
  static constexpr size_t kKept = 24;
  std::shared_ptr<const T> find(int64_t n) {
    std::lock_guard lock(mutex_);
    for (auto it = kept_.begin(); it != kept_.end(); ++it)
      if (it->first == n) {
        kept_.splice(kept_.begin(), kept_, it);
        return it->second;
      }
    return nullptr;
  }
  std::mutex mutex_;
  std::list<std::pair<int64_t, std::shared_ptr<const T>>> kept_;
};

std::vector<int64_t> factors_of(int64_t n) {
  std::vector<int64_t> factors;
  for (; n % 4 == 0; n /= 4) factors.push_back(4);
  for (int64_t f = 2; f * f <= n; ++f)
    for (; n % f == 0; n /= f) factors.push_back(f);
  if (n > 1) factors.push_back(n);
  return factors;
}

std::vector<FftPass> passes_of(const std::vector<int64_t>& factors, int64_t n) {
  std::vector<FftPass> passes;
  int64_t s = 1;
  for (const int64_t r : factors) {
    FftPass pass{r, n / r, s, {}, {}};
    for (int64_t p = 0; p < pass.m; ++p)
      for (int64_t k = 1; k < r; ++k) pass.twiddles.emplace_back(root_of_unity(p * k, n));
    if (r > 5)
      for (int64_t k = 0; k < r; ++k) pass.roots.emplace_back(root_of_unity(k, r));
    passes.push_back(std::move(pass));
    n /= r;
    s *= r;
  }
  return passes;
}

// The divisor next to sqrt(n) from below.
int64_t middle_divisor(int64_t n) {
  auto d = static_cast<int64_t>(std::sqrt(static_cast<double>(n)));
  while (n % d != 0) --d;
  return d;
}

// All w^(j k), j < n1, k < n2, w of order n: products of two roots in f64, of which there are few.
std::vector<std::complex<float>> twiddles_of(int64_t n, int64_t n1, int64_t n2) {
  const int64_t low = static_cast<int64_t>(std::sqrt(static_cast<double>(n))) + 1, high = n / low + 1;
  std::vector<std::complex<double>> fine, coarse;
  for (int64_t i = 0; i < low; ++i) fine.push_back(root_of_unity(i, n));
  for (int64_t i = 0; i < high; ++i) coarse.push_back(root_of_unity(i * low, n));
  std::vector<std::complex<float>> out;
  out.reserve(static_cast<size_t>(n1 * n2));
  for (int64_t j = 0; j < n1; ++j)
    for (int64_t k = 0; k < n2; ++k) {
      const int64_t e = j * k;  // at most n
      const auto a = fine[static_cast<size_t>(e % low)], b = coarse[static_cast<size_t>(e / low)];
      out.emplace_back(static_cast<float>(a.real() * b.real() - a.imag() * b.imag()),
                       static_cast<float>(a.real() * b.imag() + a.imag() * b.real()));
    }
  return out;
}

std::vector<std::complex<float>> roots_of(int64_t n, int64_t count) {
  auto both = twiddles_of(n, 2, count);
  return {both.begin() + count, both.end()};
}

// The smallest length of factors 2, 3 and 5 that is not below n.
int64_t smooth_length(int64_t n) {
  int64_t best = 1;
  while (best < n) best *= 2;
  for (int64_t fives = 1; fives < best; fives *= 5)
    for (int64_t m = fives; m < best; m *= 3) {
      int64_t l = m;
      while (l < n) l *= 2;
      best = std::min(best, l);
    }
  return best;
}

void add_bluestein(FftPlan& plan) {
  const int64_t n = plan.n, m = smooth_length(2 * n - 1);
  plan.convolution = fft_plan(m);
  plan.chirp_transform.resize(static_cast<size_t>(m));
  for (int64_t j = 0; j < n; ++j) {
    // exp(-i pi j^2 / n); the square modulo 2n, without overflow for any length that fits in memory.
    const auto square = static_cast<int64_t>(static_cast<__int128>(j) * j % (2 * n));
    const std::complex<double> c = root_of_unity(square, 2 * n);
    plan.chirp.emplace_back(c);
    const std::complex<float> b(std::conj(c) / static_cast<double>(m));
    plan.chirp_transform[static_cast<size_t>(j)] = b;
    if (j > 0) plan.chirp_transform[static_cast<size_t>(m - j)] = b;
  }
  fft_transform(*plan.convolution, plan.chirp_transform.data(), plan.chirp_transform.data(), {1, 1});
}

std::shared_ptr<const FftPlan> lanes_plan(int64_t n) {
  auto plan = std::make_shared<FftPlan>();
  plan->n = n;
  plan->passes = passes_of(factors_of(n), n);
  return plan;
}

std::shared_ptr<const FftPlan> make_plan(int64_t n) {
  auto plan = std::make_shared<FftPlan>();
  plan->n = n;
  const auto factors = factors_of(n);
  if (!factors.empty() && factors.back() > kLargestRadix) {
    add_bluestein(*plan);
    return plan;
  }
  if (n <= kLongestInLanes) plan->passes = passes_of(factors, n);
  if (const int64_t d = n < 64 ? 1 : middle_divisor(n); d > 1) {
    plan->first = lanes_plan(d);
    plan->second = lanes_plan(n / d);
    plan->twiddles = twiddles_of(n, d, n / d);
  }
  return plan;
}

}  // namespace

std::complex<double> root_of_unity(int64_t k, int64_t n) {
  // Down to an eighth of the circle, where sine and cosine are exact to the last bit and symmetric.
  k %= n;
  const int64_t octant = static_cast<int64_t>(static_cast<__int128>(8) * k / n);
  const auto angle = [&](__int128 eighths) {  // 2 pi eighths / (8 n)
    return std::numbers::pi * static_cast<double>(eighths) / (4.0 * static_cast<double>(n));
  };
  const __int128 rest = static_cast<__int128>(8) * k - static_cast<__int128>(octant) * n;
  const double near = angle(rest), far = angle(n - rest);
  double c = 1, s = 0;
  switch (octant) {
    case 0:
      c = std::cos(near), s = std::sin(near);
      break;
    case 1:
      c = std::sin(far), s = std::cos(far);
      break;
    case 2:
      c = -std::sin(near), s = std::cos(near);
      break;
    case 3:
      c = -std::cos(far), s = std::sin(far);
      break;
    case 4:
      c = -std::cos(near), s = -std::sin(near);
      break;
    case 5:
      c = -std::sin(far), s = -std::cos(far);
      break;
    case 6:
      c = std::sin(near), s = -std::cos(near);
      break;
    default:
      c = std::cos(far), s = -std::sin(far);
      break;
  }
  return {c, -s};
}

std::shared_ptr<const FftPlan> fft_plan(int64_t n) {
  static Cache<FftPlan> cache;
  return cache.get(n, make_plan);
}

std::shared_ptr<const std::vector<std::complex<float>>> half_roots(int64_t n) {
  static Cache<std::vector<std::complex<float>>> cache;
  return cache.get(n, [](int64_t order) {
    return std::make_shared<const std::vector<std::complex<float>>>(roots_of(order, order / 2 + 1));
  });
}

}  // namespace uma::cpu

#pragma once
// The optimizers, each with its formula. g is the gradient, w the parameter.
#include <array>
#include <optional>

#include "optim/optimizer.h"

namespace uma::optim {

struct SGDOptions {
  double momentum = 0, weight_decay = 0, dampening = 0;
  bool nesterov = false;
};
/// v = momentum v + (1 - dampening) g; w = w - learning_rate v. weight_decay adds its multiple of w to g;
/// nesterov uses g + momentum v in place of v. State: v.
/// throws  InvalidArgument for nesterov without momentum or with dampening
class SGD : public Optimizer {
 public:
  explicit SGD(const Rate& learning_rate, const SGDOptions& options = {});

 protected:
  void init_single(const array& parameter, Slots& slots) const override;
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;

 private:
  SGDOptions o_;
};

struct RMSpropOptions {
  double alpha = 0.99, eps = 1e-8;
};
/// v = alpha v + (1 - alpha) g^2; w = w - learning_rate g / (sqrt(v) + eps). State: v.
/// throws  InvalidArgument for a negative alpha or eps    source  Tieleman & Hinton 2012
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(const Rate& learning_rate, const RMSpropOptions& options = {});

 protected:
  void init_single(const array& parameter, Slots& slots) const override;
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;

 private:
  RMSpropOptions o_;
};

struct AdagradOptions {
  double eps = 1e-8;
};
/// v = v + g^2; w = w - learning_rate g / (sqrt(v) + eps). State: v.
/// throws  InvalidArgument for a negative eps    source  Duchi et al. 2011
class Adagrad : public Optimizer {
 public:
  explicit Adagrad(const Rate& learning_rate, const AdagradOptions& options = {});

 protected:
  void init_single(const array& parameter, Slots& slots) const override;
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;

 private:
  AdagradOptions o_;
};

struct AdaDeltaOptions {
  double rho = 0.9, eps = 1e-6;
};
/// v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g; u = rho u + (1 - rho) d^2;
/// w = w - learning_rate d. State: v, u.
/// throws  InvalidArgument for a negative rho or eps    source  Zeiler 2012, arXiv:1212.5701
class AdaDelta : public Optimizer {
 public:
  explicit AdaDelta(const Rate& learning_rate, const AdaDeltaOptions& options = {});

 protected:
  void init_single(const array& parameter, Slots& slots) const override;
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;

 private:
  AdaDeltaOptions o_;
};

struct AdamOptions {
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  bool bias_correction = false;  // m and v divided by 1 - b1^t and 1 - b2^t
};
/// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w = w - learning_rate m / (sqrt(v) + eps). State: m, v.
/// source  Kingma & Ba 2014, arXiv:1412.6980
class Adam : public Optimizer {
 public:
  explicit Adam(const Rate& learning_rate, const AdamOptions& options = {})
      : Optimizer(learning_rate), o_(options) {}

 protected:
  void init_single(const array& parameter, Slots& slots) const override;
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;
  /// m, moved towards the gradient.
  const array& first_moment(const array& gradient, Slots& slots) const;

  AdamOptions o_;
};

struct AdamWOptions {
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.01;
  bool bias_correction = false;
};
/// Adam after w = w (1 - learning_rate weight_decay).  source  Loshchilov & Hutter 2017, arXiv:1711.05101
class AdamW : public Adam {
 public:
  explicit AdamW(const Rate& learning_rate, const AdamWOptions& options = {})
      : Adam(learning_rate, {options.betas, options.eps, options.bias_correction}),
        decay_(options.weight_decay) {}

 protected:
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;

 private:
  double decay_;
};

/// Adam with v = max(b2 v, |g|) in place of the root. throws InvalidArgument for a negative eps
class Adamax : public Adam {
 public:
  explicit Adamax(const Rate& learning_rate, const AdamOptions& options = {});

 protected:
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;
};

struct LionOptions {
  std::array<double, 2> betas = {0.9, 0.99};
  double weight_decay = 0;
};
/// w = w - learning_rate (sign(b1 m + (1 - b1) g) + weight_decay w); m = b2 m + (1 - b2) g. State: m.
/// source  Chen et al. 2023, arXiv:2302.06675, which recommends a learning rate 3 to 10 times below AdamW's
class Lion : public Optimizer {
 public:
  explicit Lion(const Rate& learning_rate, const LionOptions& options = {})
      : Optimizer(learning_rate), o_(options) {}

 protected:
  void init_single(const array& parameter, Slots& slots) const override;
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;

 private:
  LionOptions o_;
};

struct AdafactorOptions {
  std::optional<Rate> learning_rate = {};  // needed without relative_step
  std::array<double, 2> eps = {1e-30, 1e-3};
  double clip_threshold = 1;          // of the update's root mean square
  double decay_rate = -0.8;           // the running mean has the weight 1 - t^decay_rate
  std::optional<double> beta_1 = {};  // adds a first moment
  double weight_decay = 0;
  bool scale_parameter = true;  // multiplies the rate by max(eps[1], rms(w))
  bool relative_step = true;    // rate min(1e-2, 1 / sqrt(t)), or with warmup_init min(1e-6 t, 1 / sqrt(t))
  bool warmup_init = false;
};
/// Adam whose second moments of a matrix are kept as a row and a column. State: exp_avg_sq_row and
/// exp_avg_sq_col for two or more dimensions, else exp_avg_sq; with beta_1 exp_avg.
/// source  Shazeer & Stern 2018, arXiv:1804.04235
class Adafactor : public Optimizer {
 public:
  explicit Adafactor(const AdafactorOptions& options = {});

 protected:
  void init_single(const array& parameter, Slots& slots) const override;
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;

 private:
  array rate_for(const array& parameter) const;
  AdafactorOptions o_;
};

struct MuonOptions {
  double momentum = 0.95, weight_decay = 0.01;
  bool nesterov = true;
  int ns_steps = 5;
};
/// Momentum whose update of a matrix is made orthogonal by Newton and Schulz; more than two dimensions are
/// flattened to a matrix (rows, the rest), fewer are updated without it. State: v.
/// source  Jordan et al. 2024, https://kellerjordan.github.io/posts/muon
class Muon : public Optimizer {
 public:
  explicit Muon(const Rate& learning_rate, const MuonOptions& options = {})
      : Optimizer(learning_rate), o_(options) {}

 protected:
  void init_single(const array& parameter, Slots& slots) const override;
  array apply_single(const array& gradient, const array& parameter, Slots& slots) const override;

 private:
  MuonOptions o_;
};

}  // namespace uma::optim

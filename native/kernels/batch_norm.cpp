// Batch normalisation of the last axis's channels over all other axes, with its gradient.
#include "channels.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

struct Vectors {  // one number for each channel; null where absent
  const float *gamma, *beta, *mean, *variance;
};

float scale_of(const Vectors& vectors, float variance, float epsilon, std::int64_t i) {
  return (vectors.gamma ? vectors.gamma[i] : 1.0f) / __builtin_sqrtf(variance + epsilon);
}

struct Sizes {
  std::int64_t rows, channels;
};

constexpr double cost = 0.2;  // nanoseconds per number, roughly

int parts_for(Sizes sizes, const Blocks& blocks, const Context& context) {
  const double microseconds = static_cast<double>(sizes.rows * sizes.channels) * cost * 1e-3;
  return static_cast<int>(std::min<std::int64_t>(threads_for(microseconds, context.threads), blocks.count()));
}

template <typename X, typename Y>
class Forward final : public Kernel {
 public:
  Forward(const X* x, Y* y, float* mean, float* variance, Vectors vectors, float epsilon, bool relu, Sizes sizes,
          const Context& context)
      : x_(x),
        y_(y),
        mean_(mean),
        variance_(variance),
        vectors_(vectors),
        epsilon_(epsilon),
        least_(relu ? 0.0f : -infinity),
        sizes_(sizes),
        blocks_(sizes.rows, sizes.channels),
        parts_(parts_for(sizes, blocks_, context)),
        totals_(blocks_, sizes.channels, parts_),
        places_(blocks_) {}

  void run() override {
    parallel(parts_, [this](int part) { add_up(part); });
    settle();
    parallel(parts_, [this](int part) {
      const Range range = share(blocks_.count(), part, parts_);
      for (std::int64_t i = range.end; i-- > range.begin;) normalize(blocks_.at(i), x_, y_, places_, least_);
    });
  }

 private:
  void add_up(int part) {
    totals_.clear(part);
    add_moments(blocks_, share(blocks_.count(), part, parts_), x_, totals_, part);
  }

  void settle() {
    const double share = 1.0 / static_cast<double>(sizes_.rows);
    for (std::int64_t i = 0; i < sizes_.channels; ++i) {
      const double mean = totals_.of(0, i) * share;
      mean_[i] = static_cast<float>(mean);
      variance_[i] = static_cast<float>(std::max(totals_.of(1, i) * share - mean * mean, 0.0));
    }
    blocks_.spread(places_.center, [this](std::int64_t i) { return mean_[i]; });
    blocks_.spread(places_.scale, [this](std::int64_t i) { return scale_of(vectors_, variance_[i], epsilon_, i); });
    blocks_.spread(places_.offset, [this](std::int64_t i) { return vectors_.beta ? vectors_.beta[i] : 0.0f; });
  }

  const X* x_;
  Y* y_;
  float *mean_, *variance_;
  Vectors vectors_;
  float epsilon_, least_;
  Sizes sizes_;
  Blocks blocks_;
  int parts_;
  Totals totals_;
  Places places_;
};

// With n = (x - mean)/√(variance + ε): dβ = Σ g, dγ = Σ g·n, dx = γ/√(variance + ε)·(g - dβ/rows - n·dγ/rows).
template <typename G, typename X, typename D>
class Gradient final : public Kernel {
 public:
  Gradient(const G* g, const X* x, D* dx, float* dgamma, float* dbeta, Vectors vectors, float epsilon, Sizes sizes,
           const Context& context)
      : g_(g),
        x_(x),
        dx_(dx),
        dgamma_(dgamma),
        dbeta_(dbeta),
        vectors_(vectors),
        epsilon_(epsilon),
        sizes_(sizes),
        blocks_(sizes.rows, sizes.channels),
        parts_(parts_for(sizes, blocks_, context)),
        totals_(blocks_, sizes.channels, parts_),
        places_(blocks_) {}

  void run() override {
    blocks_.spread(places_.center, [this](std::int64_t i) { return vectors_.mean[i]; });
    parallel(parts_, [this](int part) { add_up(part); });
    settle();
    parallel(parts_, [this](int part) {
      const Range range = share(blocks_.count(), part, parts_);
      for (std::int64_t i = range.end; i-- > range.begin;) differentiate(blocks_.at(i), g_, x_, dx_, places_);
    });
  }

 private:
  void add_up(int part) {
    totals_.clear(part);
    add_products(blocks_, share(blocks_.count(), part, parts_), g_, x_, places_, totals_, part);
  }

  void settle() {
    const float share = 1.0f / static_cast<float>(sizes_.rows);
    const auto deviation = [this](std::int64_t i) { return __builtin_sqrtf(vectors_.variance[i] + epsilon_); };
    for (std::int64_t i = 0; i < sizes_.channels; ++i) {
      dbeta_[i] = static_cast<float>(totals_.of(0, i));
      dgamma_[i] = static_cast<float>(totals_.of(1, i) / double{deviation(i)});
    }
    const auto scale = [this](std::int64_t i) { return scale_of(vectors_, vectors_.variance[i], epsilon_, i); };
    blocks_.spread(places_.scale, scale);
    blocks_.spread(places_.slope, [&](std::int64_t i) { return -scale(i) * dgamma_[i] * share / deviation(i); });
    blocks_.spread(places_.offset, [&](std::int64_t i) { return -scale(i) * dbeta_[i] * share; });
  }

  const G* g_;
  const X* x_;
  D* dx_;
  float *dgamma_, *dbeta_;
  Vectors vectors_;
  float epsilon_;
  Sizes sizes_;
  Blocks blocks_;
  int parts_;
  Totals totals_;
  Places places_;
};

template <typename... Same>
Sizes sizes_of(const View& x, const Same&... same) {
  require(x && x.rank() >= 2 && ((same && same.shape == x.shape) && ...), "takes operands of one shape");
  require(x.size() > 0, "x is empty: it has no mean");
  return {x.size() / x.shape.back(), x.shape.back()};
}

float* of_channels(const View& view, std::int64_t channels) {
  require(!view || (view.dtype == Dtype::float32 && view.size() == channels),
          "vectors have one float32 number for each channel");
  return view.as<float>();
}

// x, γ?, β? → y, mean, variance
std::unique_ptr<Kernel> make_batch_norm(const Attributes& attributes, Views inputs, Views outputs,
                                        const Context& context) {
  require(inputs.size() == 3 && outputs.size() == 3, "takes x, gamma and beta, and gives y, mean and variance");
  const Sizes sizes = sizes_of(inputs[0], outputs[0]);
  const auto vector = [&](const View& view) { return of_channels(view, sizes.channels); };
  const float epsilon = static_cast<float>(attributes.real("epsilon"));
  const std::string activation = attributes.text("activation", "");
  require(activation.empty() || activation == "relu", "the activation is relu, or none");
  return with_types(
      [&]<typename X, typename Y>(X* x, Y* y) -> std::unique_ptr<Kernel> {
        const Vectors vectors{vector(inputs[1]), vector(inputs[2]), nullptr, nullptr};
        return std::make_unique<Forward<X, Y>>(x, y, vector(outputs[1]), vector(outputs[2]), vectors, epsilon,
                                               activation == "relu", sizes, context);
      },
      inputs[0], outputs[0]);
}

// g, x, γ?, mean, variance → dx, dγ, dβ
std::unique_ptr<Kernel> make_batch_norm_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                                 const Context& context) {
  require(inputs.size() == 5 && outputs.size() == 3 && inputs[3] && inputs[4],
          "takes g, x, gamma, mean and variance, and gives dx, dgamma and dbeta");
  const Sizes sizes = sizes_of(inputs[0], inputs[1], outputs[0]);
  const auto vector = [&](const View& view) { return of_channels(view, sizes.channels); };
  const float epsilon = static_cast<float>(attributes.real("epsilon"));
  return with_types(
      [&]<typename G, typename X, typename D>(G* g, X* x, D* dx) -> std::unique_ptr<Kernel> {
        const Vectors vectors{vector(inputs[2]), nullptr, vector(inputs[3]), vector(inputs[4])};
        return std::make_unique<Gradient<G, X, D>>(g, x, dx, vector(outputs[1]), vector(outputs[2]), vectors, epsilon,
                                                   sizes, context);
      },
      inputs[0], inputs[1], outputs[0]);
}

}  // namespace
REGISTER_KERNEL("batch_norm", make_batch_norm)
REGISTER_KERNEL("batch_norm_gradient", make_batch_norm_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

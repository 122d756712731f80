// Batch normalisation of the last axis's channels over all other axes, with its gradient.
//
// x is cut into blocks that stay in the first-level cache, and memory is read once for the sums and once for the
// result, the second time from the end, where the cache still holds what came last. A block's sums are float32, of
// squares about the block's own mean, so that a large mean costs no digits; blocks are added up in float64, each
// thread's on its own and then in order.
#include <numeric>

#include "rows.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

// [rows, channels] seen as rows of `width` numbers: several of the given rows side by side where these do not fill
// vectors. What is left of them at the end is a block of one shorter row.
class Blocks {
 public:
  struct Block {
    std::int64_t begin, rows, size;  // the first number, and how many rows of how many
  };

  Blocks(std::int64_t rows, std::int64_t channels) : channels_(channels) {
    std::int64_t together = lanes / std::gcd(channels, lanes);
    while (channels * together < 4 * lanes) together *= 2;
    width_ = channels * together;
    full_ = rows / together;
    rest_ = rows % together * channels;
    height_ = std::max<std::int64_t>(4, 8192 / width_);
  }

  std::int64_t width() const { return width_; }
  std::int64_t count() const { return (full_ + height_ - 1) / height_ + (rest_ > 0 ? 1 : 0); }
  Block at(std::int64_t i) const {
    const std::int64_t row = i * height_;
    if (row >= full_) return {full_ * width_, 1, rest_};
    return {row * width_, std::min(height_, full_ - row), width_};
  }
  // value(channel) for every place of a row
  template <typename Value>
  void spread(std::vector<float>& target, const Value& value) const {
    for (std::int64_t i = 0; i < channels_; ++i) target[static_cast<std::size_t>(i)] = value(i);
    for (std::int64_t i = channels_; i < width_; i += channels_)
      std::copy_n(target.begin(), channels_, target.begin() + i);
  }

 private:
  std::int64_t channels_, width_, full_, rest_, height_;
};

// visit(i, access, constant number of vectors) for a row's vectors: four at a time, whose sums do not wait for each
// other, then one at a time.
template <typename Visit>
[[gnu::always_inline]] inline void each_group(std::int64_t size, const Visit& visit) {
  std::int64_t i = 0;
  for (; i + 4 * lanes <= size; i += 4 * lanes) visit(i, All{}, std::integral_constant<int, 4>{});
  each_vector(size - i, [&](std::int64_t j, auto at) { visit(i + j, at, std::integral_constant<int, 1>{}); });
}

// Two float64 sums for every place of a row and every part of the work.
class Totals {
 public:
  Totals(const Blocks& blocks, std::int64_t channels, int parts)
      : width_(blocks.width()),
        channels_(channels),
        parts_(parts),
        sums_(2 * width_ * parts),
        block_(2 * width_ * parts) {}

  void clear(int part) { std::fill_n(sums_.begin() + 2 * width_ * part, 2 * width_, 0.0); }
  // Where a block puts its two sums.
  float* block(int part) { return block_.data() + 2 * width_ * part; }
  // combine(first total, second total, first of the block, second of the block) for every place
  template <typename Combine>
  void add(int part, std::int64_t size, const Combine& combine) {
    double *const first = sums_.data() + 2 * width_ * part, *const second = first + width_;
    const float *const own = block(part), *const other = own + width_;
    for (std::int64_t i = 0; i < size; ++i) combine(first[i], second[i], double{own[i]}, double{other[i]});
  }
  // The first (0) or second (1) total of a channel, over its places and over the parts.
  double of(int which, std::int64_t channel) const {
    double total = 0.0;
    for (int part = 0; part < parts_; ++part)
      for (std::int64_t i = channel; i < width_; i += channels_)
        total += sums_[static_cast<std::size_t>((2 * part + which) * width_ + i)];
    return total;
  }

 private:
  std::int64_t width_, channels_;
  int parts_;
  std::vector<double> sums_;
  std::vector<float> block_;
};

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
        center_(blocks_.width()),
        scale_(blocks_.width()),
        offset_(blocks_.width()) {}

  void run() override {
    parallel(parts_, [this](int part) { add_up(part); });
    settle();
    parallel(parts_, [this](int part) {
      const Range range = share(blocks_.count(), part, parts_);
      for (std::int64_t i = range.end; i-- > range.begin;) normalize(blocks_.at(i));
    });
  }

 private:
  void add_up(int part) {
    totals_.clear(part);
    const Range range = share(blocks_.count(), part, parts_);
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const auto [begin, rows, size] = blocks_.at(i);
      const X* const x = x_ + begin;
      float *const means = totals_.block(part), *const squares = means + blocks_.width();
      const float share_of_row = 1.0f / static_cast<float>(rows);
      each_group(size, [&, rows = rows, size = size](std::int64_t j, auto at, auto count) {
        floats mean[count()]{}, rest[count()]{}, square[count()]{};
        for (std::int64_t row = 0; row < rows; ++row)
          for (int k = 0; k < count(); ++k) mean[k] += at.load(x + row * size + j + k * lanes);
        for (int k = 0; k < count(); ++k) mean[k] *= share_of_row;
        for (std::int64_t row = 0; row < rows; ++row)
          for (int k = 0; k < count(); ++k) {
            const floats d = at.load(x + row * size + j + k * lanes) - mean[k];
            if constexpr (std::is_same_v<X, float>) rest[k] += d;  // bfloat16 has no digits to lose
            square[k] += d * d;
          }
        for (int k = 0; k < count(); ++k) {  // what rounding had left out of the mean
          at.store(means + j + k * lanes, mean[k] + rest[k] * share_of_row);
          at.store(squares + j + k * lanes, square[k] - rest[k] * rest[k] * share_of_row);
        }
      });
      // Σ x and Σ x²
      totals_.add(part, size, [n = static_cast<double>(rows)](double& s, double& q, double mean, double square) {
        s += n * mean;
        q += n * mean * mean + square;
      });
    }
  }

  void settle() {
    const double share = 1.0 / static_cast<double>(sizes_.rows);
    for (std::int64_t i = 0; i < sizes_.channels; ++i) {
      const double mean = totals_.of(0, i) * share;
      mean_[i] = static_cast<float>(mean);
      variance_[i] = static_cast<float>(std::max(totals_.of(1, i) * share - mean * mean, 0.0));
    }
    blocks_.spread(center_, [this](std::int64_t i) { return mean_[i]; });
    blocks_.spread(scale_, [this](std::int64_t i) { return scale_of(vectors_, variance_[i], epsilon_, i); });
    blocks_.spread(offset_, [this](std::int64_t i) { return vectors_.beta ? vectors_.beta[i] : 0.0f; });
  }

  void normalize(Blocks::Block block) {
    const X* const x = x_ + block.begin;
    Y* const y = y_ + block.begin;
    const floats least = splat(least_);
    each_group(block.size, [&](std::int64_t j, auto at, auto count) {
      floats center[count()], scale[count()], offset[count()];
      for (int k = 0; k < count(); ++k) {
        center[k] = at.load(center_.data() + j + k * lanes);
        scale[k] = at.load(scale_.data() + j + k * lanes);
        offset[k] = at.load(offset_.data() + j + k * lanes);
      }
      for (std::int64_t row = 0; row < block.rows; ++row)
        for (int k = 0; k < count(); ++k) {
          const std::int64_t i = row * block.size + j + k * lanes;
          const floats normal = (at.load(x + i) - center[k]) * scale[k] + offset[k];
          at.store(y + i, least > normal ? least : normal);  // a NaN stays one
        }
    });
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
  std::vector<float> center_, scale_, offset_;
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
        center_(blocks_.width()),
        scale_(blocks_.width()),
        slope_(blocks_.width()),
        offset_(blocks_.width()) {}

  void run() override {
    blocks_.spread(center_, [this](std::int64_t i) { return vectors_.mean[i]; });
    parallel(parts_, [this](int part) { add_up(part); });
    settle();
    parallel(parts_, [this](int part) {
      const Range range = share(blocks_.count(), part, parts_);
      for (std::int64_t i = range.end; i-- > range.begin;) differentiate(blocks_.at(i));
    });
  }

 private:
  void add_up(int part) {
    totals_.clear(part);
    const Range range = share(blocks_.count(), part, parts_);
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const auto [begin, rows, size] = blocks_.at(i);
      const G* const g = g_ + begin;
      const X* const x = x_ + begin;
      float *const sums = totals_.block(part), *const products = sums + blocks_.width();
      each_group(size, [&, rows = rows, size = size](std::int64_t j, auto at, auto count) {
        floats sum[count()]{}, product[count()]{}, center[count()];
        for (int k = 0; k < count(); ++k) center[k] = at.load(center_.data() + j + k * lanes);
        for (std::int64_t row = 0; row < rows; ++row)
          for (int k = 0; k < count(); ++k) {
            const floats adjoint = at.load(g + row * size + j + k * lanes);
            sum[k] += adjoint;
            product[k] += adjoint * (at.load(x + row * size + j + k * lanes) - center[k]);
          }
        for (int k = 0; k < count(); ++k) {
          at.store(sums + j + k * lanes, sum[k]);
          at.store(products + j + k * lanes, product[k]);
        }
      });
      totals_.add(part, size, [](double& s, double& p, double sum, double product) { s += sum, p += product; });
    }
  }

  void settle() {
    const float share = 1.0f / static_cast<float>(sizes_.rows);
    const auto deviation = [this](std::int64_t i) { return __builtin_sqrtf(vectors_.variance[i] + epsilon_); };
    for (std::int64_t i = 0; i < sizes_.channels; ++i) {
      dbeta_[i] = static_cast<float>(totals_.of(0, i));
      dgamma_[i] = static_cast<float>(totals_.of(1, i) / double{deviation(i)});
    }
    const auto scale = [this](std::int64_t i) { return scale_of(vectors_, vectors_.variance[i], epsilon_, i); };
    blocks_.spread(scale_, scale);
    blocks_.spread(slope_, [&](std::int64_t i) { return -scale(i) * dgamma_[i] * share / deviation(i); });
    blocks_.spread(offset_, [&](std::int64_t i) { return -scale(i) * dbeta_[i] * share; });
  }

  void differentiate(Blocks::Block block) {
    const G* const g = g_ + block.begin;
    const X* const x = x_ + block.begin;
    D* const dx = dx_ + block.begin;
    each_group(block.size, [&](std::int64_t j, auto at, auto count) {
      floats center[count()], scale[count()], slope[count()], offset[count()];
      for (int k = 0; k < count(); ++k) {
        center[k] = at.load(center_.data() + j + k * lanes);
        scale[k] = at.load(scale_.data() + j + k * lanes);
        slope[k] = at.load(slope_.data() + j + k * lanes);
        offset[k] = at.load(offset_.data() + j + k * lanes);
      }
      for (std::int64_t row = 0; row < block.rows; ++row)
        for (int k = 0; k < count(); ++k) {
          const std::int64_t i = row * block.size + j + k * lanes;
          at.store(dx + i, at.load(g + i) * scale[k] + ((at.load(x + i) - center[k]) * slope[k] + offset[k]));
        }
    });
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
  std::vector<float> center_, scale_, slope_, offset_;
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

// Group normalisation: of each example, neighbouring channels of the last axis together, over all its other places;
// with its gradient.
//
// An example is a batch of its own whose channels' sums are put together by groups; it stays in the second-level cache
// while its result is written. Examples are shared among threads.
#include "channels.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

struct Sizes {
  std::int64_t examples, rows, channels, groups;

  std::int64_t example() const { return rows * channels; }
  std::int64_t members() const { return channels / groups; }                    // channels of a group
  double share() const { return 1.0 / static_cast<double>(rows * members()); }  // of one number in its group
  Blocks blocks() const { return Blocks(rows, channels); }
};

struct Vectors {  // one number for each channel; null where absent
  const float *gamma, *beta;

  float scale(std::int64_t channel) const { return gamma ? gamma[channel] : 1.0f; }
  float offset(std::int64_t channel) const { return beta ? beta[channel] : 0.0f; }
};

struct Statistics {  // of every example and group: the mean and 1/√(variance + ε); null where nobody wants them
  float *mean, *scale;
};

// What each thread works with.
struct Bench {
  explicit Bench(Sizes sizes)
      : totals(sizes.blocks(), sizes.channels, 1),
        places(sizes.blocks()),
        dgamma(sizes.channels),
        dbeta(sizes.channels) {}

  Totals totals;  // of an example
  Places places;
  std::vector<double> dgamma, dbeta;  // over the thread's examples
};

// Examples on threads, each with a bench of its own.
class Examples : public Kernel {
 public:
  Examples(Sizes sizes, double nanoseconds_per_number, const Context& context)
      : sizes_(sizes),
        blocks_(sizes.blocks()),
        parts_(static_cast<int>(std::min<std::int64_t>(
            threads_for(1e-3 * nanoseconds_per_number * static_cast<double>(sizes.examples * sizes.example()),
                        context.threads),
            std::max<std::int64_t>(sizes.examples, 1)))),
        benches_(parts_, Bench(sizes)) {}

 protected:
  template <typename Work>
  void each_example(const Work& work) {
    parallel(parts_, [&](int part) {
      const Range range = share(sizes_.examples, part, parts_);
      for (std::int64_t i = range.begin; i < range.end; ++i) work(i, benches_[static_cast<std::size_t>(part)]);
    });
  }
  Range all() const { return {0, blocks_.count()}; }

  Sizes sizes_;
  Blocks blocks_;
  int parts_;
  std::vector<Bench> benches_;
};

template <typename X, typename Y>
class Forward final : public Examples {
 public:
  Forward(const X* x, Y* y, Statistics statistics, Vectors vectors, float epsilon, bool relu, Sizes sizes,
          const Context& context)
      : Examples(sizes, 0.2, context),
        x_(x),
        y_(y),
        statistics_(statistics),
        vectors_(vectors),
        epsilon_(epsilon),
        least_(relu ? 0.0f : -infinity) {}

  void run() override {
    each_example([this](std::int64_t example, Bench& bench) {
      const X* const x = x_ + example * sizes_.example();
      Y* const y = y_ + example * sizes_.example();
      bench.totals.clear(0);
      add_moments(blocks_, all(), x, bench.totals, 0);
      settle(example, bench);
      for (std::int64_t i = blocks_.count(); i-- > 0;) normalize(blocks_.at(i), x, y, bench.places, least_);
    });
  }

 private:
  void settle(std::int64_t example, Bench& bench) const {
    const std::int64_t members = sizes_.members();
    const double share = sizes_.share();
    Places& places = bench.places;
    for (std::int64_t group = 0; group < sizes_.groups; ++group) {
      const std::int64_t begin = group * members, end = begin + members;
      double sum = 0.0, square = 0.0;
      for (std::int64_t i = begin; i < end; ++i) sum += bench.totals.of(0, i), square += bench.totals.of(1, i);
      const double exact = sum * share;
      const float mean = static_cast<float>(exact),
                  variance = static_cast<float>(std::max(square * share - exact * exact, 0.0)),
                  scale = 1.0f / __builtin_sqrtf(variance + epsilon_);
      if (statistics_.mean) {
        statistics_.mean[example * sizes_.groups + group] = mean;
        statistics_.scale[example * sizes_.groups + group] = scale;
      }
      for (std::int64_t i = begin; i < end; ++i) {
        places.center[i] = mean;
        places.scale[i] = scale * vectors_.scale(i);
        places.offset[i] = vectors_.offset(i);
      }
    }
    for (auto* place : {&places.center, &places.scale, &places.offset}) blocks_.repeat(*place);
  }

  const X* x_;
  Y* y_;
  Statistics statistics_;
  Vectors vectors_;
  float epsilon_, least_;
};

// With n = (x - mean)·scale and h = g·γ: dx = scale·(h - mean of h - n·mean of h·n), the means over a group; dγ = Σ g·n
// and dβ = Σ g over examples and rows.
template <typename G, typename X, typename D>
class Gradient final : public Examples {
 public:
  Gradient(const G* g, const X* x, D* dx, float* dgamma, float* dbeta, Statistics statistics, Vectors vectors,
           Sizes sizes, const Context& context)
      : Examples(sizes, 0.3, context),
        g_(g),
        x_(x),
        dx_(dx),
        dgamma_(dgamma),
        dbeta_(dbeta),
        statistics_(statistics),
        vectors_(vectors) {}

  void run() override {
    for (Bench& bench : benches_) {
      std::ranges::fill(bench.dgamma, 0.0);
      std::ranges::fill(bench.dbeta, 0.0);
    }
    each_example([this](std::int64_t example, Bench& bench) {
      const std::int64_t start = example * sizes_.example(), members = sizes_.members();
      for (std::int64_t group = 0; group < sizes_.groups; ++group)
        std::fill_n(bench.places.center.begin() + group * members, members,
                    statistics_.mean[example * sizes_.groups + group]);
      blocks_.repeat(bench.places.center);
      bench.totals.clear(0);
      add_products(blocks_, all(), g_ + start, x_ + start, bench.places, bench.totals, 0);
      settle(statistics_.scale + example * sizes_.groups, bench);
      for (std::int64_t i = blocks_.count(); i-- > 0;)
        differentiate(blocks_.at(i), g_ + start, x_ + start, dx_ + start, bench.places);
    });
    for (std::int64_t i = 0; i < sizes_.channels; ++i) {
      double by_gamma = 0.0, by_beta = 0.0;
      for (const Bench& bench : benches_) by_gamma += bench.dgamma[i], by_beta += bench.dbeta[i];
      dgamma_[i] = static_cast<float>(by_gamma), dbeta_[i] = static_cast<float>(by_beta);
    }
  }

 private:
  void settle(const float* scales, Bench& bench) const {
    const std::int64_t members = sizes_.members();
    const double share = sizes_.share();
    Places& places = bench.places;
    for (std::int64_t group = 0; group < sizes_.groups; ++group) {
      const std::int64_t begin = group * members, end = begin + members;
      const float scale = scales[group];
      double sum = 0.0, product = 0.0;  // of h, and of h·n
      for (std::int64_t i = begin; i < end; ++i) {
        const double by_beta = bench.totals.of(0, i), by_gamma = bench.totals.of(1, i) * double{scale};
        bench.dbeta[i] += by_beta, bench.dgamma[i] += by_gamma;
        sum += double{vectors_.scale(i)} * by_beta, product += double{vectors_.scale(i)} * by_gamma;
      }
      const float slope = static_cast<float>(-scale * scale * product * share),
                  offset = static_cast<float>(-scale * sum * share);
      for (std::int64_t i = begin; i < end; ++i) {
        places.scale[i] = scale * vectors_.scale(i);
        places.slope[i] = slope;
        places.offset[i] = offset;
      }
    }
    for (auto* place : {&places.scale, &places.slope, &places.offset}) blocks_.repeat(*place);
  }

  const G* g_;
  const X* x_;
  D* dx_;
  float *dgamma_, *dbeta_;
  Statistics statistics_;
  Vectors vectors_;
};

// The shape is x's; others may have the groups as an axis of their own.
template <typename... Same>
Sizes sizes_of(const Attributes& attributes, const View& x, const Same&... same) {
  require(x && x.rank() >= 2 && ((same && same.size() == x.size()) && ...), "takes operands of one size");
  require(x.size() > 0, "x is empty: it has no mean");
  const std::int64_t examples = x.shape.front(), channels = x.shape.back();
  const std::int64_t groups = attributes.integer("groups", 0);
  require(groups > 0 && channels % groups == 0, "groups divide the channels");
  return {examples, x.size() / (examples * channels), channels, groups};
}

float* of_channels(const View& view, Sizes sizes) {
  require(!view || (view.dtype == Dtype::float32 && view.size() == sizes.channels),
          "vectors have one float32 number for each channel");
  return view.as<float>();
}

Statistics statistics_of(const View& view, Sizes sizes) {
  const std::int64_t count = sizes.examples * sizes.groups;
  require(view.dtype == Dtype::float32 && view.size() == 2 * count,
          "statistics hold two float32 numbers for each group of each example");
  return {view.as<float>(), view.as<float>() + count};
}

// x, γ?, β? → y, statistics?
std::unique_ptr<Kernel> make_group_norm(const Attributes& attributes, Views inputs, Views outputs,
                                        const Context& context) {
  require(inputs.size() == 3 && (outputs.size() == 1 || outputs.size() == 2),
          "takes x, gamma and beta, and gives y and perhaps statistics");
  const Sizes sizes = sizes_of(attributes, inputs[0], outputs[0]);
  const Vectors vectors{of_channels(inputs[1], sizes), of_channels(inputs[2], sizes)};
  const Statistics statistics = outputs.size() == 2 ? statistics_of(outputs[1], sizes) : Statistics{};
  const float epsilon = static_cast<float>(attributes.real("epsilon"));
  const std::string activation = attributes.text("activation", "");
  require(activation.empty() || activation == "relu", "the activation is relu, or none");
  return with_types(
      [&]<typename X, typename Y>(X* x, Y* y) -> std::unique_ptr<Kernel> {
        return std::make_unique<Forward<X, Y>>(x, y, statistics, vectors, epsilon, !activation.empty(), sizes, context);
      },
      inputs[0], outputs[0]);
}

// g, x, γ?, statistics → dx, dγ, dβ
std::unique_ptr<Kernel> make_group_norm_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                                 const Context& context) {
  require(inputs.size() == 4 && inputs[3] && outputs.size() == 3 && outputs[1] && outputs[2],
          "takes g, x, gamma and statistics, and gives dx, dgamma and dbeta");
  const Sizes sizes = sizes_of(attributes, inputs[0], inputs[1], outputs[0]);
  const Vectors vectors{of_channels(inputs[2], sizes), nullptr};
  const Statistics statistics = statistics_of(inputs[3], sizes);
  return with_types(
      [&]<typename G, typename X, typename D>(G* g, X* x, D* dx) -> std::unique_ptr<Kernel> {
        return std::make_unique<Gradient<G, X, D>>(g, x, dx, of_channels(outputs[1], sizes),
                                                   of_channels(outputs[2], sizes), statistics, vectors, sizes, context);
      },
      inputs[0], inputs[1], outputs[0]);
}

}  // namespace
REGISTER_KERNEL("group_norm", make_group_norm)
REGISTER_KERNEL("group_norm_gradient", make_group_norm_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

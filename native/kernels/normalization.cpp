// Layer and root-mean-square normalisation of rows over the last axis, with their gradients.
//
// A row passes through the first-level cache once: its mean and its variance about that mean are taken there, so that
// a large mean costs no digits. Four rows go together, whose sums wait for each other's additions instead of their own.
// The forward pass keeps each row's mean and 1/√(variance + ε) for the backward one.
#include <array>

#include "rows.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

constexpr std::int64_t block = 64 * lanes;  // numbers of a row that are added up in one vector

// For r = 0 … count-1 the sum over a row of term(r, i, access), in blocks.
template <int count, typename Term>
[[gnu::always_inline]] inline std::array<float, count> row_sums(std::int64_t size, const Term& term) {
  floats total[count]{};
  for (std::int64_t start = 0; start < size; start += block) {
    floats part[count]{};
    each_vector(std::min(block, size - start), [&](std::int64_t i, auto at) {
#pragma GCC unroll 4
      for (int r = 0; r < count; ++r) part[r] += at.fill(term(r, start + i, at), 0.0f);
    });
    for (int r = 0; r < count; ++r) total[r] += part[r];
  }
  std::array<float, count> sums;
  for (int r = 0; r < count; ++r) sums[r] = sum(total[r]);
  return sums;
}

// Calls work(first row, constant number of rows) for all rows, four at a time while there are so many.
template <typename Work>
void by_fours(std::int64_t row, std::int64_t end, const Work& work) {
  for (; row + 4 <= end; row += 4) work(row, std::integral_constant<int, 4>{});
  for (; row < end; ++row) work(row, std::integral_constant<int, 1>{});
}

// What normalises the rows: y = γ·(x - mean)·scale + β, scale = 1/√(variance + ε). Not centred, the mean counts as 0.
struct Affine {
  Affine(const View& gamma, const View& beta, std::int64_t size, const char* message)
      : gamma_(vector(gamma, size, 1.0f, message)), beta_(vector(beta, size, 0.0f, message)) {}
  const float* gamma() const { return given(gamma_); }
  const float* beta() const { return given(beta_); }

 private:
  struct Vector {
    const float* data;
    std::vector<float> constant;  // stands for an absent operand
  };
  static Vector vector(const View& view, std::int64_t size, float otherwise, const char* message) {
    if (!view) return {nullptr, std::vector<float>(static_cast<std::size_t>(size), otherwise)};
    require(view.dtype == Dtype::float32 && view.size() == size, message);
    return {view.as<const float>(), {}};
  }
  static const float* given(const Vector& vector) { return vector.data ? vector.data : vector.constant.data(); }

  Vector gamma_, beta_;
};

template <bool centred, int count, typename T, typename U>
void normalize(const T* x, U* y, std::int64_t size, const float* gamma, const float* beta, float epsilon, float* means,
               float* scales) {
  const float share = 1.0f / static_cast<float>(size);
  std::array<float, count> mean{}, scale;
  if constexpr (centred) {
    mean = row_sums<count>(size, [&](int r, std::int64_t i, auto at) { return at.load(x + r * size + i); });
    for (float& value : mean) value *= share;
  }
  scale = row_sums<count>(size, [&](int r, std::int64_t i, auto at) {
    const floats d = at.load(x + r * size + i) - mean[r];
    return d * d;
  });
  for (float& value : scale) value = 1.0f / __builtin_sqrtf(value * share + epsilon);
  each_vector(size, [&](std::int64_t i, auto at) {
    const floats g = at.load(gamma + i), b = at.load(beta + i);
#pragma GCC unroll 4
    for (int r = 0; r < count; ++r)
      at.store(y + r * size + i, (at.load(x + r * size + i) - mean[r]) * scale[r] * g + b);
  });
  if (!means) return;
  for (int r = 0; r < count; ++r) means[r] = mean[r], scales[r] = scale[r];
}

void require_statistics(const View& statistics, const Table& table) {
  require(statistics.dtype == Dtype::float32 && statistics.size() == 2 * table.rows,
          "statistics hold two float32 numbers for each row");
}

constexpr double forward_cost = 0.1, backward_cost = 0.2;  // nanoseconds per number, roughly

// x, γ?, β? → y, statistics?
template <bool centred>
std::unique_ptr<Kernel> make_forward(const Attributes& attributes, Views inputs, Views outputs,
                                     const Context& context) {
  require(inputs.size() == 3 && (outputs.size() == 1 || outputs.size() == 2),
          "takes x, gamma and beta, and gives y and perhaps statistics");
  const auto [rows, size] = table_of(inputs[0], outputs[0]);
  const float epsilon = static_cast<float>(attributes.real("epsilon"));
  const Affine affine(inputs[1], inputs[2], size, "gamma and beta have one float32 number for each of a row");
  float* statistics = nullptr;
  if (outputs.size() == 2) {
    require_statistics(outputs[1], {rows, size});
    statistics = outputs[1].as<float>();
  }
  return with_types(
      [&, rows = rows, size = size](auto* x, auto* y) {
        return over_rows(rows, size, forward_cost, context, [=](std::int64_t begin, std::int64_t end) {
          by_fours(begin, end, [&](std::int64_t row, auto count) {
            normalize<centred, count()>(x + row * size, y + row * size, size, affine.gamma(), affine.beta(), epsilon,
                                        statistics ? statistics + row : nullptr,
                                        statistics ? statistics + rows + row : nullptr);
          });
        });
      },
      inputs[0], outputs[0]);
}

// With n = (x - mean)·scale and h = g·γ: dx = scale·(h - mean of h - n·mean of h·n), dγ = Σ g·n, dβ = Σ g over rows.
template <bool centred, int count, bool sums, typename G, typename X, typename D>
void differentiate(const G* g, const X* x, D* dx, std::int64_t size, const float* gamma, const float* means,
                   const float* scales, float* dgamma, float* dbeta) {
  const float share = 1.0f / static_cast<float>(size);
  std::array<float, count> mean{}, scale, offset{}, slope;
  for (int r = 0; r < count; ++r) mean[r] = means[r], scale[r] = scales[r];
  const auto h = [&](int r, std::int64_t i, auto at) { return at.load(g + r * size + i) * at.load(gamma + i); };
  if constexpr (centred) {
    offset = row_sums<count>(size, h);
    for (float& value : offset) value *= share;
  }
  slope = row_sums<count>(size, [&](int r, std::int64_t i, auto at) {
    return h(r, i, at) * ((at.load(x + r * size + i) - mean[r]) * scale[r]);
  });
  for (float& value : slope) value *= share;
  each_vector(size, [&](std::int64_t i, auto at) {
    const floats of_gamma = at.load(gamma + i);
    floats by_gamma{}, by_beta{};
#pragma GCC unroll 4
    for (int r = 0; r < count; ++r) {
      const floats adjoint = at.load(g + r * size + i);
      const floats n = (at.load(x + r * size + i) - mean[r]) * scale[r];
      at.store(dx + r * size + i, (adjoint * of_gamma - offset[r] - n * slope[r]) * scale[r]);
      by_gamma += adjoint * n;
      by_beta += adjoint;
    }
    if constexpr (sums) {
      at.store(dgamma + i, at.load(dgamma + i) + by_gamma);
      at.store(dbeta + i, at.load(dbeta + i) + by_beta);
    }
  });
}

// Sums over rows of two numbers for each place of a row: each thread's own, added up in float32 for some rows and in
// float64 from there on, then over threads in order.
class Sums {
 public:
  Sums(std::int64_t size, int parts)
      : size_(size), pieces_(static_cast<std::size_t>(2 * size * parts)), totals_(pieces_.size()) {}

  void clear(int part) {
    std::fill_n(piece(part), 2 * size_, 0.0f);
    std::fill_n(totals_.data() + 2 * size_ * part, 2 * size_, 0.0);
  }
  float* piece(int part) { return pieces_.data() + 2 * size_ * part; }
  void settle(int part) {
    float* const from = piece(part);
    double* const to = totals_.data() + 2 * size_ * part;
    for (std::int64_t i = 0; i < 2 * size_; ++i) to[i] += from[i], from[i] = 0.0f;
  }
  void give(int parts, float* first, float* second) const {
    for (std::int64_t i = 0; i < 2 * size_; ++i) {
      double total = 0.0;
      for (int part = 0; part < parts; ++part) total += totals_[static_cast<std::size_t>(2 * size_ * part + i)];
      (i < size_ ? first[i] : second[i - size_]) = static_cast<float>(total);
    }
  }

 private:
  std::int64_t size_;
  std::vector<float> pieces_;
  std::vector<double> totals_;
};

template <bool centred, typename G, typename X, typename D>
class Gradient final : public Kernel {
 public:
  Gradient(const G* g, const X* x, D* dx, const float* statistics, Affine affine, float* dgamma, float* dbeta,
           Table table, const Context& context)
      : g_(g),
        x_(x),
        dx_(dx),
        statistics_(statistics),
        affine_(std::move(affine)),
        dgamma_(dgamma),
        dbeta_(dbeta),
        table_(table),
        parts_(threads_for(
            1e-3 * static_cast<double>(table.rows) * (20.0 + backward_cost * static_cast<double>(table.size)),
            context.threads)),
        sums_(dgamma ? table.size : 0, parts_) {}

  void run() override {
    parallel(parts_, [this](int part) {
      if (dgamma_)
        run_part<true>(part);
      else
        run_part<false>(part);
    });
    if (dgamma_) sums_.give(parts_, dgamma_, dbeta_);
  }

 private:
  static constexpr std::int64_t rows_in_float = 256;

  template <bool sums>
  void run_part(int part) {
    const std::int64_t size = table_.size;
    const float* const gamma = affine_.gamma();
    float *const dgamma = sums ? sums_.piece(part) : nullptr, *const dbeta = sums ? dgamma + size : nullptr;
    if constexpr (sums) sums_.clear(part);
    const Range range = share(table_.rows, part, parts_);
    for (std::int64_t begin = range.begin; begin < range.end; begin += rows_in_float) {
      by_fours(begin, std::min(begin + rows_in_float, range.end), [&](std::int64_t row, auto count) {
        differentiate<centred, count(), sums>(g_ + row * size, x_ + row * size, dx_ + row * size, size, gamma,
                                              statistics_ + row, statistics_ + table_.rows + row, dgamma, dbeta);
      });
      if constexpr (sums) sums_.settle(part);
    }
  }

  const G* g_;
  const X* x_;
  D* dx_;
  const float* statistics_;
  Affine affine_;
  float *dgamma_, *dbeta_;
  Table table_;
  int parts_;
  Sums sums_;
};

// g, x, γ?, statistics → dx, and perhaps dγ and dβ
template <bool centred>
std::unique_ptr<Kernel> make_gradient(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 4 && (outputs.size() == 1 || outputs.size() == 3),
          "takes g, x, gamma and statistics, and gives dx and perhaps dgamma and dbeta");
  const Table table = table_of(inputs[0], inputs[1], outputs[0]);
  require_statistics(inputs[3], table);
  const char* const message = "gamma, dgamma and dbeta have one float32 number for each of a row";
  float *dgamma = nullptr, *dbeta = nullptr;
  if (outputs.size() == 3) {
    for (const View& view : outputs.subspan(1))
      require(view.dtype == Dtype::float32 && view.size() == table.size, message);
    dgamma = outputs[1].as<float>(), dbeta = outputs[2].as<float>();
  }
  return with_types(
      [&]<typename G, typename X, typename D>(G* g, X* x, D* dx) -> std::unique_ptr<Kernel> {
        return std::make_unique<Gradient<centred, G, X, D>>(g, x, dx, inputs[3].as<const float>(),
                                                            Affine(inputs[2], {}, table.size, message), dgamma, dbeta,
                                                            table, context);
      },
      inputs[0], inputs[1], outputs[0]);
}

constexpr Factory make_layer_norm = make_forward<true>, make_rms_norm = make_forward<false>,
                  make_layer_norm_gradient = make_gradient<true>, make_rms_norm_gradient = make_gradient<false>;

}  // namespace
REGISTER_KERNEL("layer_norm", make_layer_norm)
REGISTER_KERNEL("layer_norm_gradient", make_layer_norm_gradient)
REGISTER_KERNEL("rms_norm", make_rms_norm)
REGISTER_KERNEL("rms_norm_gradient", make_rms_norm_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

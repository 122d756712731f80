// What batch and group normalisation share, which treat channels alike over many rows: the rows in blocks that stay in
// the first-level cache, sums over them for each channel, and the passes that write the result.
//
// Memory is read once for the sums and once for the result, the second time from the end, where the cache still holds
// what came last. A block's sums are float32, of squares about the block's own mean, so that a large mean costs no
// digits; blocks are added up in float64, each thread's on its own and then in order. Kernel files only.
#pragma once

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
    repeat(target);
  }
  // The first channels' numbers for every place of a row.
  void repeat(std::vector<float>& target) const {
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

// Adds Σ x and Σ x² of some blocks to a part's totals.
template <typename X>
void add_moments(const Blocks& blocks, Range range, const X* first, Totals& totals, int part) {
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    const auto [begin, rows, size] = blocks.at(i);
    const X* const x = first + begin;
    float *const means = totals.block(part), *const squares = means + blocks.width();
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
    totals.add(part, size, [n = static_cast<double>(rows)](double& s, double& q, double mean, double square) {
      s += n * mean;
      q += n * mean * mean + square;
    });
  }
}

// What each channel's numbers are made of: (x - center)·scale + offset; in a gradient slope stands beside it.
struct Places {
  explicit Places(const Blocks& blocks)
      : center(blocks.width()), scale(blocks.width()), slope(blocks.width()), offset(blocks.width()) {}
  std::vector<float> center, scale, slope, offset;
};

// y = max(least, (x - center)·scale + offset) for one block
template <typename X, typename Y>
void normalize(Blocks::Block block, const X* from, Y* to, const Places& places, float lowest) {
  const X* const x = from + block.begin;
  Y* const y = to + block.begin;
  const floats least = splat(lowest);
  each_group(block.size, [&](std::int64_t j, auto at, auto count) {
    floats center[count()], scale[count()], offset[count()];
    for (int k = 0; k < count(); ++k) {
      center[k] = at.load(places.center.data() + j + k * lanes);
      scale[k] = at.load(places.scale.data() + j + k * lanes);
      offset[k] = at.load(places.offset.data() + j + k * lanes);
    }
    for (std::int64_t row = 0; row < block.rows; ++row)
      for (int k = 0; k < count(); ++k) {
        const std::int64_t i = row * block.size + j + k * lanes;
        const floats normal = (at.load(x + i) - center[k]) * scale[k] + offset[k];
        at.store(y + i, least > normal ? least : normal);  // a NaN stays one
      }
  });
}

// Adds Σ g and Σ g·(x - center) of some blocks to a part's totals.
template <typename G, typename X>
void add_products(const Blocks& blocks, Range range, const G* adjoints, const X* first, const Places& places,
                  Totals& totals, int part) {
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    const auto [begin, rows, size] = blocks.at(i);
    const G* const g = adjoints + begin;
    const X* const x = first + begin;
    float *const sums = totals.block(part), *const products = sums + blocks.width();
    each_group(size, [&, rows = rows, size = size](std::int64_t j, auto at, auto count) {
      floats sum[count()]{}, product[count()]{}, center[count()];
      for (int k = 0; k < count(); ++k) center[k] = at.load(places.center.data() + j + k * lanes);
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
    totals.add(part, size, [](double& s, double& p, double sum, double product) { s += sum, p += product; });
  }
}

// dx = g·scale + (x - center)·slope + offset for one block
template <typename G, typename X, typename D>
void differentiate(Blocks::Block block, const G* adjoints, const X* from, D* to, const Places& places) {
  const G* const g = adjoints + block.begin;
  const X* const x = from + block.begin;
  D* const dx = to + block.begin;
  each_group(block.size, [&](std::int64_t j, auto at, auto count) {
    floats center[count()], scale[count()], slope[count()], offset[count()];
    for (int k = 0; k < count(); ++k) {
      center[k] = at.load(places.center.data() + j + k * lanes);
      scale[k] = at.load(places.scale.data() + j + k * lanes);
      slope[k] = at.load(places.slope.data() + j + k * lanes);
      offset[k] = at.load(places.offset.data() + j + k * lanes);
    }
    for (std::int64_t row = 0; row < block.rows; ++row)
      for (int k = 0; k < count(); ++k) {
        const std::int64_t i = row * block.size + j + k * lanes;
        at.store(dx + i, at.load(g + i) * scale[k] + ((at.load(x + i) - center[k]) * slope[k] + offset[k]));
      }
  });
}

}  // namespace
}  // namespace pellucid::PELLUCID_LEVEL

// Products of small sizes, on one thread: tiles straight over the operands, every tile's place fixed at construction.
#pragma once

#include <algorithm>
#include <vector>

#include "gemm_product.hpp"

namespace pellucid::PELLUCID_LEVEL {

// Float32 operands. w is read where it lies when its columns are neighbours, else through a small packed copy.
class Small final : public Kernel {
 public:
  explicit Small(const Product& product) : product_(product) {
    const Product& p = product;
    const std::int64_t stride = round_up(p.columns, lanes);
    const float* w = static_cast<const float*>(p.w.data);
    std::int64_t w_inner = p.w.inner;
    if (p.w.across != 1) {
      packed_ = scratch(std::max<std::int64_t>(p.inner, 1) * stride);
      w = packed_.get();
      w_inner = stride;
    }
    const std::int64_t tiles = (p.rows + tile_rows - 1) / tile_rows;
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t row = p.rows * t / tiles, end = p.rows * (t + 1) / tiles;
      for (std::int64_t column = 0; column < p.columns; column += tile_columns) {
        const std::int64_t width = std::min(tile_columns, p.columns - column);
        steps_.push_back({tile_function(false, end - row, width > lanes ? 2 : 1),
                          {.x = static_cast<const float*>(p.x.data) + row * p.x.across,
                           .x_row = p.x.across,
                           .x_inner = p.x.inner,
                           .w = w + column,
                           .w_inner = w_inner,
                           .inner = p.inner,
                           .row = row,
                           .column = column,
                           .width = width}});
      }
    }
  }

  static bool takes(const Product& p) {
    return p.batch == 1 && p.x.dtype == Dtype::float32 && p.w.dtype == Dtype::float32;
  }

  void run() override {
    if (packed_)
      pack<false, float>(product_.w, 0, product_.columns, 0, product_.inner, round_up(product_.columns, lanes),
                         packed_.get());
    for (const Step& step : steps_) {
      step.function(step.tile, product_.output);
      if (product_.column_sums && step.tile.row == 0) sum_columns(step.tile, false, product_.column_sums);
    }
  }

 private:
  struct Step {
    TileFunction function;
    Tile tile;
  };
  Product product_;
  std::vector<Step> steps_;
  Scratch packed_;
};

// A matrix times a vector where both are contiguous along the inner dimension: y[i] = finish(Σₖ x[i,k]·w[k]), on one
// thread. Serves one column, and one row with w transposed (the two operands then change places).
class Dots final : public Kernel {
 public:
  explicit Dots(const Product& product) : product_(product), bias_step_(product.columns == 1 ? 0 : 1) {
    if (product.columns != 1) {
      std::swap(product_.x, product_.w);
      std::swap(product_.rows, product_.columns);
    }
  }

  static bool takes(const Product& p) {
    return Small::takes(p) && (p.columns == 1 || p.rows == 1) && (p.x.inner == 1 || p.inner == 1) &&
           (p.w.inner == 1 || p.inner == 1) && !p.output.addend && !p.output.derivative && !p.column_sums;
  }

  void run() override {
    const Output& output = product_.output;
    const auto* x = static_cast<const float*>(product_.x.data);
    const auto* w = static_cast<const float*>(product_.w.data);
    const std::int64_t x_row = product_.x.across, whole = product_.inner / lanes * lanes, rest = product_.inner - whole;
    for (std::int64_t row = 0; row < product_.rows; row += lanes) {
      const std::int64_t count = std::min(lanes, product_.rows - row);
      const float* at[lanes];
      for (std::int64_t i = 0; i < lanes; ++i) at[i] = x + (row + std::min(i, count - 1)) * x_row;
      floats sums[lanes]{};
      for (std::int64_t k = 0; k < whole; k += lanes) {
        const floats factor = load(w + k);
#pragma GCC unroll 16
        for (std::int64_t i = 0; i < lanes; ++i) sums[i] += load(at[i] + k) * factor;
      }
      if (rest > 0) {
        const Tail tail(rest);
        const floats factor = tail.load(w + whole);
#pragma GCC unroll 16
        for (std::int64_t i = 0; i < lanes; ++i) sums[i] += tail.load(at[i] + whole) * factor;
      }
      finish(sum_of_each(sums), row, count, output);
    }
  }

 private:
  void finish(floats y, std::int64_t row, std::int64_t count, const Output& output) const {
    const Tail tail(count);
    if (output.bias) y += bias_step_ ? tail.load(output.bias + row) : splat(*output.bias);
    y = activate(output.activation, y);
    if (output.mask) {
      const floats mask = output.mask_dtype == Dtype::float32
                              ? tail.load(static_cast<const float*>(output.mask) + row)
                              : tail.load(static_cast<const bfloat16*>(output.mask) + row);
      y = masked(output, y, mask);
    }
    if (output.dtype == Dtype::float32)
      tail.store(static_cast<float*>(output.y) + row, y);
    else
      tail.store(static_cast<bfloat16*>(output.y) + row, y);
  }

  Product product_;
  int bias_step_;
};

}  // namespace pellucid::PELLUCID_LEVEL

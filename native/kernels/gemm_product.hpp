// What a matrix product is to the algorithms that compute it: operands with strides, and where the result goes.
#pragma once

#include <memory>
#include <new>

#include "gemm_pack.hpp"

namespace pellucid::PELLUCID_LEVEL {

// One product y = finish(x·w), or `batch` of them at equal distances.
struct Product {
  std::int64_t rows, inner, columns;
  Operand x, w;  // across: the rows of x, the columns of w
  Output output;
  std::int64_t batch = 1, x_batch = 0, w_batch = 0, y_batch = 0;  // distances in elements
  float* column_sums = nullptr;  // where the sums over the inner dimension of w go, if they are wanted
};

// The column sums as one more row of the product: a tile over the same w, whose row of x is all ones.
inline void sum_columns(Tile tile, bool pairs, float* sums) {
  static constexpr std::uint32_t one = 0x3f800000u, pair_of_ones = 0x3f803f80u;
  float unit;
  std::memcpy(&unit, pairs ? &pair_of_ones : &one, sizeof unit);
  tile.x = &unit;
  tile.x_row = tile.x_inner = tile.row = 0;
  Output output;
  output.y = output.partial = sums;
  output.simple = true;
  tile_function(pairs, 1, tile.width > lanes ? 2 : 1)(tile, output);
}

inline const void* offset(const void* data, Dtype dtype, std::int64_t elements) {
  return static_cast<const char*>(data) + elements * static_cast<std::int64_t>(item_size(dtype));
}

inline Product item(Product product, std::int64_t index) {
  Output& output = product.output;
  product.x.data = offset(product.x.data, product.x.dtype, index * product.x_batch);
  product.w.data = offset(product.w.data, product.w.dtype, index * product.w_batch);
  output.y = const_cast<void*>(offset(output.y, output.dtype, index * product.y_batch));
  const auto move = [&](auto& operand, Dtype dtype) {
    if (operand) operand = const_cast<void*>(offset(operand, dtype, index * product.y_batch));
  };
  move(output.mask, output.mask_dtype);
  move(output.addend, output.addend_dtype);
  move(output.derivative, output.derivative_dtype);
  if (output.partial) output.partial += index * product.y_batch;
  return product;
}

struct Free {
  void operator()(void* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
using Scratch = std::unique_ptr<float[], Free>;
inline Scratch scratch(std::int64_t size) {
  return Scratch(
      static_cast<float*>(::operator new[](static_cast<std::size_t>(size) * sizeof(float), std::align_val_t{64})));
}

inline constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace pellucid::PELLUCID_LEVEL

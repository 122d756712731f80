// What attention's two kernels work on, for one pair of batch and head: strided matrices in arrays of all heads, the
// mask, operands in the form that the tiles of gemm_tile.hpp read, and a product of them.
#pragma once

#include <algorithm>

#include "../threads.hpp"
#include "gemm_product.hpp"

namespace pellucid::PELLUCID_LEVEL {

struct Problem {
  std::int64_t batch, heads, queries, keys;
  std::int64_t size, value_size;  // of one head's q and k, and of its v
  bool causal;                    // query i sees the keys 0…i
  float scale;

  std::int64_t pairs() const { return batch * heads; }
  std::int64_t visible(std::int64_t query) const { return causal ? std::min(keys, query + 1) : keys; }
};

// The matrix [positions, size] of one pair of batch and head in an array [batch, positions, heads, size].
struct Matrix {
  void* data;
  Dtype dtype;
  std::int64_t row;  // distance of rows, in elements

  Matrix from(std::int64_t first) const { return {const_cast<void*>(offset(data, dtype, first * row)), dtype, row}; }
  void take(const float* from, std::int64_t rows, std::int64_t size) const {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < size; j += lanes) {
        const Tail tail(std::min(lanes, size - j));
        const floats x = tail.load(from + i * size + j);
        if (dtype == Dtype::float32)
          tail.store(static_cast<float*>(data) + i * row + j, x);
        else
          tail.store(static_cast<bfloat16*>(data) + i * row + j, x);
      }
  }
};
inline Matrix matrix_of(const View& view, std::int64_t batch, std::int64_t head) {
  const std::int64_t size = view.shape[3], row = view.shape[2] * size;
  return {const_cast<void*>(offset(view.data, view.dtype, batch * view.shape[1] * row + head * size)), view.dtype, row};
}

// Asks for the matrices that are next: short rows far apart, which the processor does not foresee.
template <typename... Views>
void fetch_matrices(std::int64_t batch, std::int64_t head, const Views&... views) {
  constexpr std::int64_t most_bytes = 64 * 1024;  // of one matrix; more would drive out what is being worked on
  const auto fetch = [&](const View& view) {
    const Matrix matrix = matrix_of(view, batch, head);
    const std::int64_t item = static_cast<std::int64_t>(item_size(matrix.dtype)), bytes = view.shape[3] * item;
    if (view.shape[1] * bytes > most_bytes) return;
    for (std::int64_t i = 0; i < view.shape[1]; ++i)
      for (std::int64_t at = 0; at < bytes; at += 64)
        __builtin_prefetch(static_cast<const char*>(matrix.data) + i * matrix.row * item + at, 0, 2);
  };
  (fetch(views), ...);
}

inline floats load_at(const View& view, std::int64_t at, const Tail& tail) {
  return view.dtype == Dtype::float32 ? tail.load(view.as<float>() + at) : tail.load(view.as<bfloat16>() + at);
}

struct Query {
  std::int64_t batch, head, position;
};

// Whether one query may see keys j, j+1, …, as 0 or -1; keys past the end it may not.
struct MaskRow {
  const std::uint8_t* at = nullptr;
  std::int64_t step = 0, keys = 0;  // step 0: one answer for all keys

  explicit operator bool() const { return at != nullptr; }
  ints operator()(std::int64_t j) const {
    if (step == 0) return splat(static_cast<std::int32_t>(*at != 0 ? -1 : 0));
    typedef std::uint8_t bytes __attribute__((vector_size(lanes)));
    bytes given{};
    std::memcpy(&given, at + j, static_cast<std::size_t>(std::min(lanes, keys - j)));
    return __builtin_convertvector(given, ints) != 0;
  }
};

class Mask {
 public:
  explicit Mask(const View& view) : view_(view) {}
  MaskRow row(const Query& query) const {
    if (!view_) return {};
    const Shape& shape = view_.shape;
    const auto step = [&](std::size_t axis, std::int64_t index) { return shape[axis] == 1 ? 0 : index; };
    const std::int64_t row =
        (step(0, query.batch) * shape[1] + step(1, query.head)) * shape[2] + step(2, query.position);
    return {view_.as<std::uint8_t>() + row * shape[3], shape[3] == 1 ? 0 : 1, shape[3]};
  }

 private:
  View view_;
};

// The right operand of a product, packed in panels of tile_columns columns, in memory of `memory_size`.
template <bool pairs>
struct Panels {
  static constexpr std::int64_t per_unit = pairs ? 2 : 1;

  Panels(float* memory, std::int64_t inner_elements, std::int64_t column_count)
      : at(memory), inner(inner_elements), units(unit_count(inner_elements)), columns(column_count) {}

  static std::int64_t unit_count(std::int64_t inner) { return (inner + per_unit - 1) / per_unit; }
  static std::int64_t memory_size(std::int64_t inner, std::int64_t columns) {
    return unit_count(inner) * round_up(columns, tile_columns);
  }

  void take(const Matrix& matrix) const { pack({matrix.data, matrix.dtype, matrix.row, 1}); }
  void take_transposed(const Matrix& matrix) const { pack({matrix.data, matrix.dtype, 1, matrix.row}); }
  float* end() const { return at + memory_size(inner, columns); }

  float* at;
  std::int64_t inner, units, columns;

 private:
  void pack(const Operand& operand) const {
    const Pack function = pack_function(pairs, operand.dtype);
    for (std::int64_t column = 0; column < columns; column += tile_columns) {
      const std::int64_t width = std::min(tile_columns, columns - column);
      function(operand, column, width, 0, inner, round_up(width, lanes), at + column * units);
    }
  }
};

// The left operand of a product: units at distances of rows and of the inner dimension.
struct Rows {
  const float* at;
  std::int64_t row, inner;

  Rows from(std::int64_t first) const { return {at + first * row, row, inner}; }
};

// A tile's rows of y, its first `columns` columns: y = x·w over a range of the inner dimension's units, or y += x·w.
template <bool pairs>
void multiply(const Rows& x, const Panels<pairs>& w, Range units, Range rows, std::int64_t columns, bool add,
              const Output& y) {
  Tile tile{.x = x.at + units.begin * x.inner,
            .x_row = x.row,
            .x_inner = x.inner,
            .w = nullptr,
            .w_inner = 0,
            .inner = units.end - units.begin,
            .row = rows.begin,
            .column = 0,
            .width = 0,
            .first = !add,
            .last = !add};
  for (; tile.column < columns; tile.column += tile_columns) {
    tile.w_inner = round_up(std::min(tile_columns, w.columns - tile.column), lanes);
    tile.w = w.at + tile.column * w.units + units.begin * tile.w_inner;
    tile.width = std::min(tile_columns, columns - tile.column);
    tile_function(pairs, rows.end - rows.begin, tile.width > lanes ? 2 : 1)(tile, y);
  }
}

inline Output output_of(const Matrix& matrix) {
  Output output;
  output.y = matrix.data;
  output.dtype = matrix.dtype;
  output.columns = matrix.row;
  if (matrix.dtype == Dtype::float32) output.partial = static_cast<float*>(matrix.data);
  output.simple = true;
  return output;
}
inline Output output_of(float* y, std::int64_t columns) { return output_of({y, Dtype::float32, columns}); }

// A matrix as the left operand: itself where its elements are units already, else a copy widened to float32.
template <bool pairs>
Rows rows_of(const Matrix& matrix, std::int64_t rows, std::int64_t size, float* memory) {
  if constexpr (pairs) return {static_cast<const float*>(matrix.data), matrix.row / 2, 1};
  if (matrix.dtype == Dtype::float32) return {static_cast<const float*>(matrix.data), matrix.row, 1};
  for (std::int64_t i = 0; i < rows; ++i) {
    const bfloat16* const from = static_cast<const bfloat16*>(matrix.data) + i * matrix.row;
    for (std::int64_t j = 0; j < size; ++j) memory[i * size + j] = to_float(from[j]);
  }
  return {memory, size, 1};
}

// Two rows of float32 as one row of bfloat16 pairs.
inline floats join(floats even, floats odd) { return join_pairs(narrow(even), narrow(odd)); }

}  // namespace pellucid::PELLUCID_LEVEL

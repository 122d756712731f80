// The inner loops of convolutions in which every channel meets filters of its own (depthwise): vectors hold
// neighbouring channels, and what they read stands in float32 windows whose channels are repeated to be as many as the
// filters.
#pragma once

#include "convolution_window.hpp"

namespace pellucid::PELLUCID_LEVEL {

// A tile of y as in gemm_tile.hpp, at most a vector wide. The inner dimension are the taps: `runs` of one vector of w.
template <int rows, typename Lanes>
void depthwise_tile(const Tile& tile, const Output& output, const Lanes& use) {
  floats sums[rows]{};
  for (std::int64_t run = 0; run < tile.runs; ++run) {
    const float* const x = tile.x + tile.starts[run];
    const floats w = load(tile.w + run * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) sums[r] += use.load(x + r * tile.x_row) * w;
  }
  alignas(vector_bytes) float buffer[rows * lanes];
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) store(buffer + r * lanes, sums[r]);
  finish<1>(buffer, rows, tile, output);
}

template <int... row>
constexpr std::array<TileFunction, sizeof...(row)> depthwise_functions(std::integer_sequence<int, row...>) {
  return {[](const Tile& tile, const Output& output) {
    if (tile.width == lanes)
      depthwise_tile<row + 1>(tile, output, Whole{});
    else
      depthwise_tile<row + 1>(tile, output, Tail(tile.width));
  }...};
}
inline TileFunction depthwise_function(std::int64_t rows) {
  static constexpr auto functions = depthwise_functions(std::make_integer_sequence<int, tile_rows>{});
  return functions[static_cast<std::size_t>(rows - 1)];
}

// Σ x·g over the positions of a block, for some taps of a vector of channels, to rows of `sums` that are `columns`
// apart. The tile is that of the product for a kernel's gradient: w are the columns of g, `runs` its rows of positions.
inline constexpr int depthwise_taps = 8;

template <int taps, typename Lanes>
void add_depthwise(const Tile& tile, const std::int64_t* taps_at, float* to, std::int64_t columns, const Lanes& use) {
  floats sums[taps]{};
  const float* g = tile.w;
  for (std::int64_t run = 0; run < tile.runs; ++run) {
    const float* x = tile.x + tile.starts[run];
    for (std::int64_t i = 0; i < tile.inner; ++i, x += tile.x_inner, g += tile.w_inner) {
      const floats factor = use.load(g);
#pragma GCC unroll 8
      for (int t = 0; t < taps; ++t) sums[t] += use.load(x + taps_at[t]) * factor;
    }
  }
  for (int t = 0; t < taps; ++t)
    use.store(to + t * columns, tile.first ? sums[t] : use.load(to + t * columns) + sums[t]);
}

template <typename Lanes>
void add_depthwise(std::int64_t taps, const Tile& tile, const std::int64_t* taps_at, float* to, std::int64_t columns,
                   const Lanes& use) {
  for (; taps >= depthwise_taps; taps -= depthwise_taps, taps_at += depthwise_taps, to += depthwise_taps * columns)
    add_depthwise<depthwise_taps>(tile, taps_at, to, columns, use);
  for (; taps >= 3; taps -= 3, taps_at += 3, to += 3 * columns) add_depthwise<3>(tile, taps_at, to, columns, use);
  for (; taps > 0; --taps, ++taps_at, to += columns) add_depthwise<1>(tile, taps_at, to, columns, use);
}

}  // namespace pellucid::PELLUCID_LEVEL

// The inner loop of every matrix product: one tile of y, held in registers while the inner dimension runs, and what is
// done to it on the way out (bias, activation, mask, rounding).
//
// Operands are read in units of 32 bits: one float32, or a pair of bfloat16 neighbours along the inner dimension. x is
// read by broadcasting single units at any row and inner stride; w by whole vectors of neighbouring columns.
#pragma once

#if defined(__AVX512BF16__)
#include <immintrin.h>  // the product of bfloat16 pairs has no counterpart in the vector extensions
#endif

#include <array>
#include <utility>

#include "../tail.hpp"

namespace pellucid::PELLUCID_LEVEL {

// The largest tile whose sums fit the registers beside the operands (32 with AVX-512 and on Arm, else 16).
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int tile_rows = 14;
#else
inline constexpr int tile_rows = 6;
#endif
inline constexpr int tile_vectors = 2;
inline constexpr std::int64_t tile_columns = tile_vectors * lanes;

#if defined(__AVX512BF16__)
inline constexpr bool has_pairs = true;
#else
inline constexpr bool has_pairs = false;  // bfloat16 is widened to float32 before the product
#endif

enum class Activation : std::uint8_t { none, relu, tanh, sigmoid, gelu };

// Where tiles of y go.
struct Output {
  void* y = nullptr;
  Dtype dtype = Dtype::float32;
  std::int64_t columns = 0;  // the row stride of y and of all that has its shape
  const float* bias = nullptr;
  const void* addend = nullptr;  // added before the activation
  Dtype addend_dtype = Dtype::float32;
  void* derivative = nullptr;  // where gelu's derivative goes
  Dtype derivative_dtype = Dtype::float32;
  Activation activation = Activation::none;
  const void* mask = nullptr;  // y is kept where mask > 0, else zero
  Dtype mask_dtype = Dtype::float32;
  bool mask_multiplies = false;  // y is multiplied by mask instead
  float* partial = nullptr;      // sums of an inner dimension taken in blocks; y itself when y is float32
  bool simple = false;           // nothing but sums, selections and y: finished in registers
};

// Where a run of the inner dimension begins, in units from Tile::x: a product has one run, a convolution many.
inline constexpr std::int64_t one_run[1] = {0};

struct Tile {
  const float* x;  // units
  std::int64_t x_row, x_inner;
  const float* w;  // units; `width` columns are read, or whole vectors where `width` is a multiple of lanes
  std::int64_t w_inner;
  std::int64_t inner;               // of each run; the rows of w follow each other through all of them
  std::int64_t row, column, width;  // of y; width is at most vectors * lanes
  bool first = true, last = true;   // block of the inner dimension
  std::int64_t runs = 1;
  const std::int64_t* starts = one_run;
};

using TileFunction = void (*)(const Tile&, const Output&);

inline floats relu(floats x) { return x < 0.0f ? floats{} : x; }  // a NaN stays

inline floats activate(Activation activation, floats x) {
  switch (activation) {
    case Activation::relu: return relu(x);
    case Activation::tanh: return tanh(x);
    case Activation::sigmoid: return sigmoid(x);
    case Activation::gelu: return gelu(x).y;
    default: return x;
  }
}

// Vectors of one row that end in a partly filled one.
template <int vectors, typename T>
[[gnu::always_inline]] inline void load_row(const T* p, const Tail& tail, floats (&row)[vectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < vectors - 1; ++v) row[v] = load(p + v * lanes);
  row[vectors - 1] = tail.load(p + (vectors - 1) * lanes);
}
template <int vectors, typename T>
[[gnu::always_inline]] inline void store_row(T* p, const Tail& tail, const floats (&row)[vectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < vectors - 1; ++v) store(p + v * lanes, row[v]);
  tail.store(p + (vectors - 1) * lanes, row[vectors - 1]);
}

template <int vectors>
[[gnu::always_inline]] inline void load_row(const void* p, Dtype dtype, std::int64_t at, const Tail& tail,
                                            floats (&row)[vectors]) {
  if (dtype == Dtype::float32)
    load_row(static_cast<const float*>(p) + at, tail, row);
  else
    load_row(static_cast<const bfloat16*>(p) + at, tail, row);
}
template <int vectors>
[[gnu::always_inline]] inline void store_row(void* p, Dtype dtype, std::int64_t at, const Tail& tail,
                                             const floats (&row)[vectors]) {
  if (dtype == Dtype::float32)
    store_row(static_cast<float*>(p) + at, tail, row);
  else
    store_row(static_cast<bfloat16*>(p) + at, tail, row);
}

inline floats masked(const Output& output, floats x, floats mask) {
  return output.mask_multiplies ? x * mask : mask > 0.0f ? x : floats{};
}

// sums → bias → addend → activation → mask → y
template <int vectors>
[[gnu::noinline]] void finish(const float* sums, int rows, const Tile& tile, const Output& output) {
  const Tail tail(tile.width - (vectors - 1) * lanes);
  floats bias[vectors]{};
  if (output.bias) load_row(output.bias + tile.column, tail, bias);
  std::int64_t at = tile.row * output.columns + tile.column;
  for (int r = 0; r < rows; ++r, sums += vectors * lanes, at += output.columns) {
    floats row[vectors], other[vectors];
    const auto each = [&](const auto& change) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) row[v] = change(row[v], v);
    };
    each([&](floats, int v) { return load(sums + v * lanes) + bias[v]; });
    if (output.addend) {
      load_row(output.addend, output.addend_dtype, at, tail, other);
      each([&](floats x, int v) { return x + other[v]; });
    }
    if (output.derivative) {
      each([&](floats x, int v) {
        const auto [y, derivative] = gelu(x);
        other[v] = derivative;
        return y;
      });
      store_row(output.derivative, output.derivative_dtype, at, tail, other);
    } else {
      each([&](floats x, int) { return activate(output.activation, x); });
    }
    if (output.mask) {
      load_row(output.mask, output.mask_dtype, at, tail, other);
      each([&](floats x, int v) { return masked(output, x, other[v]); });
    }
    store_row(output.y, output.dtype, at, tail, row);
  }
}

template <bool pairs>
[[gnu::always_inline]] inline floats multiply_add(floats sum, floats x, floats w) {
#if defined(__AVX512BF16__)
  if constexpr (pairs)
    return reinterpret_cast<floats>(
        _mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w)));
#endif
  return sum + x * w;
}

// All lanes hold the unit at p, bit for bit (x - 0, as in splat, would change a pair of bfloat16).
[[gnu::always_inline]] inline floats broadcast(const float* p) {
  return [unit = *p]<std::size_t... lane>(std::index_sequence<lane...>) __attribute__((always_inline)) {
    return floats{(static_cast<void>(lane), unit)...};
  }(std::make_index_sequence<lanes>{});
}

// The same for a simple output, short of the store.
template <int rows, int vectors>
[[gnu::always_inline]] inline void finish_in_registers(floats (&sums)[rows][vectors], const Tail& tail,
                                                       const Tile& tile, const Output& output) {
  const auto each = [&](const auto& change) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[r][v] = change(sums[r][v], r, v);
  };
  if (output.bias) {
    floats bias[vectors];
    load_row(output.bias + tile.column, tail, bias);
    each([&](floats x, int, int v) { return x + bias[v]; });
  }
  const std::int64_t at = tile.row * output.columns + tile.column;
  const auto with = [&](const auto* operand, const auto& change) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      floats other[vectors];
      load_row(operand + at + r * output.columns, tail, other);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[r][v] = change(sums[r][v], other[v]);
    }
  };
  const auto with_either = [&](const void* operand, Dtype dtype, const auto& change) __attribute__((always_inline)) {
    if (dtype == Dtype::float32)
      with(static_cast<const float*>(operand), change);
    else
      with(static_cast<const bfloat16*>(operand), change);
  };
  if (output.addend) with_either(output.addend, output.addend_dtype, [](floats x, floats other) { return x + other; });
  if (output.activation == Activation::relu) each([](floats x, int, int) { return relu(x); });
  if (output.mask && output.mask_multiplies)
    with_either(output.mask, output.mask_dtype, [](floats x, floats mask) { return x * mask; });
  else if (output.mask)
    with_either(output.mask, output.mask_dtype, [](floats x, floats mask) { return mask > 0.0f ? x : floats{}; });
}

template <int rows, int vectors, bool write>
[[gnu::always_inline]] inline void fetch_rows(const void* p, Dtype dtype, std::int64_t at, std::int64_t columns) {
  const std::int64_t size = dtype == Dtype::float32 ? 4 : 2;
  const char* row = static_cast<const char*>(p) + at * size;
  for (int r = 0; r < rows; ++r, row += columns * size) {
    __builtin_prefetch(row, write);
    if (vectors > 1 && size == 4) __builtin_prefetch(row + vector_bytes, write);
  }
}

template <bool pairs, int rows, int vectors>
void multiply_tile(const Tile& tile, const Output& output) {
  const Tail tail(tile.width - (vectors - 1) * lanes);
  const std::int64_t at = tile.row * output.columns + tile.column;
  // The lines of y, and of what has its shape, are on their way while the sums form.
  if (tile.inner > 32) {
    const bool halved = tile.first && tile.last && output.dtype == Dtype::bfloat16;
    fetch_rows<rows, vectors, true>(halved ? output.y : output.partial, halved ? Dtype::bfloat16 : Dtype::float32, at,
                                    output.columns);
    if (tile.last) {
      if (output.mask) fetch_rows<rows, vectors, false>(output.mask, output.mask_dtype, at, output.columns);
      if (output.addend) fetch_rows<rows, vectors, false>(output.addend, output.addend_dtype, at, output.columns);
      if (output.derivative)
        fetch_rows<rows, vectors, true>(output.derivative, output.derivative_dtype, at, output.columns);
    }
  }

  // Few sums would wait for each other's multiply-add (four cycles): they are split over chains.
  constexpr int chains = rows * vectors >= 8 ? 1 : rows * vectors >= 3 ? 2 : 4;
  floats chain[chains][rows][vectors]{};
  floats(&sums)[rows][vectors] = chain[0];
  // Three rows share a pointer: an address can scale the row stride by 0, 1 and 2.
  constexpr int groups = (rows + 2) / 3;
  const std::int64_t x_row = tile.x_row, x_inner = tile.x_inner, w_inner = tile.w_inner;
  const float* x[groups];
  const float* w = tile.w;
  const auto step = [&](floats(&into)[rows][vectors]) __attribute__((always_inline)) {
    floats w_row[vectors];
    load_row(w, tail, w_row);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const floats unit = broadcast(x[r / 3] + (r % 3) * x_row);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) into[r][v] = multiply_add<pairs>(into[r][v], unit, w_row[v]);
    }
#pragma GCC unroll 16
    for (int g = 0; g < groups; ++g) x[g] += x_inner;
    w += w_inner;
  };
  for (std::int64_t run = 0; run < tile.runs; ++run) {
#pragma GCC unroll 16
    for (int g = 0; g < groups; ++g) x[g] = tile.x + tile.starts[run] + 3 * g * x_row;
    std::int64_t k = tile.inner;
    for (; k >= chains; k -= chains) {
#pragma GCC unroll 4
      for (int c = 0; c < chains; ++c) step(chain[c]);
    }
    if constexpr (chains > 1)
      for (; k > 0; --k) step(sums);
  }
  if constexpr (chains > 1) {
#pragma GCC unroll 4
    for (int c = 1; c < chains; ++c)
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) sums[r][v] += chain[c][r][v];
  }

  if (!tile.first) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      floats before[vectors];
      load_row(output.partial + at + r * output.columns, tail, before);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[r][v] += before[v];
    }
  }
  if (tile.last && !output.simple) {
    alignas(vector_bytes) float buffer[rows * vectors * lanes];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) store(buffer + (r * vectors + v) * lanes, sums[r][v]);
    finish<vectors>(buffer, rows, tile, output);
    return;
  }
  if (tile.last) finish_in_registers(sums, tail, tile, output);
  const auto store_to = [&](auto* y) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) store_row(y + at + r * output.columns, tail, sums[r]);
  };
  if (tile.last && output.dtype == Dtype::bfloat16)
    store_to(static_cast<bfloat16*>(output.y));
  else
    store_to(output.partial);
}

template <bool pairs, int vectors, int... row>
constexpr std::array<TileFunction, sizeof...(row)> tile_functions(std::integer_sequence<int, row...>) {
  return {multiply_tile<pairs, row + 1, vectors>...};
}

// The function for tiles of `rows` (1…tile_rows) rows and 1 or 2 vectors.
inline TileFunction tile_function(bool pairs, std::int64_t rows, std::int64_t vectors) {
  using Rows = std::make_integer_sequence<int, tile_rows>;
  static constexpr auto one = tile_functions<false, 1>(Rows{});
  static constexpr auto two = tile_functions<false, 2>(Rows{});
#if defined(__AVX512BF16__)
  static constexpr auto pairs_one = tile_functions<true, 1>(Rows{});
  static constexpr auto pairs_two = tile_functions<true, 2>(Rows{});
  if (pairs) return (vectors == 1 ? pairs_one : pairs_two)[static_cast<std::size_t>(rows - 1)];
#else
  (void)pairs;
#endif
  return (vectors == 1 ? one : two)[static_cast<std::size_t>(rows - 1)];
}

}  // namespace pellucid::PELLUCID_LEVEL

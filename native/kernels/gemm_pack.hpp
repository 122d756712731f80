// Copies of operand panels in the order in which the tiles read them: all the columns (or rows) of a panel side by side
// for every unit of the inner dimension, so that reads are contiguous whatever the operand's own strides.
#pragma once

#include <algorithm>

#include "../transpose.hpp"
#include "gemm_tile.hpp"

namespace pellucid::PELLUCID_LEVEL {

// A vector of units of neighbours along the inner dimension: elements widened to float32, or bfloat16 pairs as they
// are.
template <bool pairs, typename T>
inline floats whole_units(const T* p) {
  if constexpr (!pairs) return load(p);
  floats x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
// The units of the first `count` elements; those beyond are zero.
template <bool pairs, typename T>
inline floats some_units(const T* p, std::int64_t count) {
  if constexpr (!pairs) return Tail(count).load(p);
  floats x{};
  std::memcpy(&x, p, static_cast<std::size_t>(count) * sizeof *p);
  return x;
}

// Unit pairs of two rows of neighbours across the inner dimension.
inline floats join_pairs(halves even, halves odd) {
  return reinterpret_cast<floats>(to_words(even) | to_words(odd) << 16);
}

// One operand as the product sees it: element (k, j), j a row of x or a column of w, stands at k * inner + j * across.
struct Operand {
  const void* data;
  Dtype dtype;
  std::int64_t inner, across;  // one of the two is 1
};

// Packs `width` neighbours from `first` on and the elements begin…end-1 of the inner dimension (`begin` even), as rows
// of `stride` units (a multiple of lanes, at least width); the rest of a row is zero. Vectors before the last are full.
template <bool pairs, int vectors, typename T, typename Last>
void pack_rows(const T* p, std::int64_t p_inner, std::int64_t elements, const Last& last, std::int64_t stride,
               float* to) {
  const auto each = [&](const auto& units) __attribute__((always_inline)) {
    if constexpr (vectors == 2) store(to, units(Whole{}, p));
    store(to + (vectors - 1) * lanes, units(last, p + (vectors - 1) * lanes));
    to += stride;
  };
  if constexpr (pairs) {
    for (; elements >= 2; elements -= 2, p += 2 * p_inner)
      each([&](const auto& part, const T* at) __attribute__((always_inline)) {
        return join_pairs(part.load_halves(at), part.load_halves(at + p_inner));
      });
    if (elements == 1) each([](const auto& part, const T* at) { return join_pairs(part.load_halves(at), halves{}); });
  } else {
    for (; elements > 0; --elements, p += p_inner)
      each([](const auto& part, const T* at) __attribute__((always_inline)) { return part.load(at); });
  }
}

template <bool pairs, typename T>
void pack_across(const T* p, std::int64_t p_inner, std::int64_t elements, std::int64_t width, std::int64_t stride,
                 float* to) {
  for (; width >= tile_columns; width -= tile_columns, p += tile_columns, to += tile_columns)
    pack_rows<pairs, 2>(p, p_inner, elements, Whole{}, stride, to);
  if (width > lanes)
    pack_rows<pairs, 2>(p, p_inner, elements, Tail(width - lanes), stride, to);
  else if (width > 0)
    pack_rows<pairs, 1>(p, p_inner, elements, Tail(width), stride, to);
}

template <bool pairs, typename T>
void pack_along(const T* p, std::int64_t across, std::int64_t elements, std::int64_t width, std::int64_t stride,
                float* to) {
  constexpr std::int64_t per_unit = pairs ? 2 : 1;
  constexpr std::int64_t block = lanes * per_unit;
  const std::int64_t units = (elements + per_unit - 1) / per_unit;
  for (std::int64_t j = 0; j < width; j += lanes) {
    const std::int64_t filled = std::min(lanes, width - j);
    for (std::int64_t k = 0; k < elements; k += block) {
      floats rows[lanes];
      const T* const at = p + j * across + k;
      const auto take = [&](const auto& row) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (std::int64_t i = 0; i < lanes; ++i) rows[i] = row(i);
      };
      if (filled == lanes && k + block <= elements)
        take([&](std::int64_t i) __attribute__((always_inline)) { return whole_units<pairs>(at + i * across); });
      else
        take([&](std::int64_t i) {
          return i < filled ? some_units<pairs>(at + i * across, std::min(block, elements - k)) : floats{};
        });
      transpose(rows);
      const std::int64_t first = k / per_unit;
      float* out = to + first * stride + j;
      if (first + lanes <= units) {
#pragma GCC unroll 16
        for (std::int64_t i = 0; i < lanes; ++i) store(out + i * stride, rows[i]);
      } else {
        for (std::int64_t i = 0; i < units - first; ++i) store(out + i * stride, rows[i]);
      }
    }
  }
}

using Pack = void (*)(const Operand&, std::int64_t first, std::int64_t width, std::int64_t begin, std::int64_t end,
                      std::int64_t stride, float* to);

template <bool pairs, typename T>
void pack(const Operand& operand, std::int64_t first, std::int64_t width, std::int64_t begin, std::int64_t end,
          std::int64_t stride, float* to) {
  const T* p = static_cast<const T*>(operand.data) + first * operand.across + begin * operand.inner;
  if (operand.across == 1)
    pack_across<pairs>(p, operand.inner, end - begin, width, stride, to);
  else
    pack_along<pairs>(p, operand.across, end - begin, width, stride, to);
}

inline Pack pack_function(bool pairs, Dtype dtype) {
  if (dtype == Dtype::float32) return pack<false, float>;
#if defined(__AVX512BF16__)
  if (pairs) return pack<true, bfloat16>;
#else
  (void)pairs;
#endif
  return pack<false, bfloat16>;
}

}  // namespace pellucid::PELLUCID_LEVEL

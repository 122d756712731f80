// Shuffles of whole registers: the transpose of a square of lanes, and folds across the lanes of one vector. Kernel
// files only.
#pragma once

#include <utility>

#include "vector.hpp"

namespace pellucid::PELLUCID_LEVEL {

template <int distance, int... lane>
[[gnu::always_inline]] inline void swap_blocks(floats (&rows)[lanes], std::integer_sequence<int, lane...>) {
  constexpr int other = static_cast<int>(lanes);  // the first lane of the shuffle's second operand
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) {
    if (i & distance) continue;
    const floats a = rows[i], b = rows[i + distance];
    rows[i] = __builtin_shufflevector(a, b, (lane & distance ? lane - distance + other : lane)...);
    rows[i + distance] = __builtin_shufflevector(a, b, (lane & distance ? lane + other : lane + distance)...);
  }
}

// rows[i] becomes column i: at distance 1, 2, 4, … each 2×2 block of lanes swaps its off-diagonal entries.
template <int distance = 1>
[[gnu::always_inline]] inline void transpose(floats (&rows)[lanes]) {
  if constexpr (distance < lanes) {
    swap_blocks<distance>(rows, std::make_integer_sequence<int, static_cast<int>(lanes)>{});
    transpose<2 * distance>(rows);
  }
}

// Every lane becomes the combination of all lanes, in a fixed order: neighbours at distance 1, 2, 4, … are combined.
template <int distance = 1, typename Combine>
[[gnu::always_inline]] inline floats across_lanes(floats x, const Combine& combine) {
  if constexpr (distance < lanes) {
    const floats other = [&]<int... lane>(std::integer_sequence<int, lane...>) __attribute__((always_inline)) {
      return __builtin_shufflevector(x, x, (lane ^ distance)...);
    }(std::make_integer_sequence<int, static_cast<int>(lanes)>{});
    return across_lanes<2 * distance>(combine(x, other), combine);
  } else {
    return x;
  }
}

// Lane i becomes the combination of all lanes of vectors[i]: each round combines neighbouring lanes of two vectors into
// one. The vectors are used up.
template <typename Combine>
inline floats across_each(floats (&vectors)[lanes], const Combine& combine) {
  const auto halve = [&]<int... lane>(int count, std::integer_sequence<int, lane...>) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < count; ++i) {
      const floats a = vectors[2 * i], b = vectors[2 * i + 1];
      vectors[i] =
          combine(__builtin_shufflevector(a, b, 2 * lane...), __builtin_shufflevector(a, b, (2 * lane + 1)...));
    }
  };
#pragma GCC unroll 4
  for (int count = static_cast<int>(lanes) / 2; count > 0; count /= 2)
    halve(count, std::make_integer_sequence<int, static_cast<int>(lanes)>{});
  return vectors[0];
}
inline floats sum_of_each(floats (&vectors)[lanes]) {
  return across_each(vectors, [](floats a, floats b) { return a + b; });
}

inline float sum(floats x) {
  return across_lanes(x, [](floats a, floats b) { return a + b; })[0];
}

// Two vectors as one row of pairs: a₀ b₀ a₁ b₁ …, first half and second half.
template <typename Vector, int... lane>
[[gnu::always_inline]] inline void interleave(Vector& a, Vector& b, std::integer_sequence<int, lane...>) {
  constexpr int n = sizeof...(lane);
  const Vector first = __builtin_shufflevector(a, b, (lane / 2 + (lane & 1) * n)...);
  b = __builtin_shufflevector(a, b, (n / 2 + lane / 2 + (lane & 1) * n)...);
  a = first;
}
template <typename Vector>
[[gnu::always_inline]] inline void interleave(Vector& a, Vector& b) {
  interleave(a, b, std::make_integer_sequence<int, static_cast<int>(sizeof(Vector) / sizeof(a[0]))>{});
}

}  // namespace pellucid::PELLUCID_LEVEL

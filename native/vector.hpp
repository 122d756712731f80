// Float32 vectors of the level's register width, in GCC's vector extensions (also Clang's), and the elementary functions
// on them (see `math`, below the types). Kernel files only.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernel.hpp"

#if !defined(PELLUCID_LEVEL)
#error "vector.hpp is for kernel files, which are compiled once per level"
#endif

namespace pellucid::PELLUCID_LEVEL {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
#else
inline constexpr int vector_bytes = 16;
#endif
inline constexpr std::int64_t lanes = vector_bytes / 4;  // float32 numbers in one vector

typedef float floats __attribute__((vector_size(vector_bytes)));
typedef std::int32_t ints __attribute__((vector_size(vector_bytes)));  // also the masks that comparisons make: 0 or -1
typedef std::uint16_t halves __attribute__((vector_size(vector_bytes / 2)));

inline floats splat(float x) { return x - floats{}; }
inline ints splat(std::int32_t x) { return x - ints{}; }

inline floats load(const float* p) {
  floats x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline void store(float* p, floats x) { std::memcpy(p, &x, sizeof x); }

// The first n < lanes numbers; the others are zero, and are not touched in memory.
inline floats load_first(const float* p, std::int64_t n) {
  floats x{};
  for (std::int64_t i = 0; i < n; ++i) x[i] = p[i];
  return x;
}
inline void store_first(float* p, floats x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) p[i] = x[i];
}

inline ints bits(floats x) { return reinterpret_cast<ints>(x); }
inline floats from_bits(ints x) { return reinterpret_cast<floats>(x); }

// Fixed order: halves are added until one number is left.
inline float sum(floats x) {
  float parts[lanes];
  std::memcpy(parts, &x, sizeof x);
  for (std::int64_t half = lanes / 2; half > 0; half /= 2)
    for (std::int64_t i = 0; i < half; ++i) parts[i] += parts[i + half];
  return parts[0];
}

inline float to_float(bfloat16 x) {
  const std::uint32_t word = static_cast<std::uint32_t>(x) << 16;
  float y;
  std::memcpy(&y, &word, sizeof y);
  return y;
}

// Round to nearest even; a NaN stays one (quiet).
inline bfloat16 to_bfloat16(float x) {
  std::uint32_t word;
  std::memcpy(&word, &x, sizeof word);
  if (x != x) return static_cast<bfloat16>((word >> 16) | 0x40u);
  return static_cast<bfloat16>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
}

}  // namespace pellucid::PELLUCID_LEVEL

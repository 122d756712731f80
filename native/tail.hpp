// The last, partly filled vector of a row: loads that touch nothing past the end, stores that write nothing there, of
// float32 and bfloat16 in memory. Kernel files only.
#pragma once

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>  // masked moves have no counterpart in the vector extensions
#endif

#include "vector.hpp"

namespace pellucid::PELLUCID_LEVEL {

// A full vector, with the face of Tail.
struct Whole {
  template <typename T>
  floats load(const T* p) const {
    return PELLUCID_LEVEL::load(p);
  }
  halves load_halves(const bfloat16* p) const {
    halves x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
  template <typename T>
  void store(T* p, floats x) const {
    PELLUCID_LEVEL::store(p, x);
  }
};

// The first `count` lanes, 0 < count <= lanes. Lanes beyond are zero after a load.
class Tail {
 public:
  explicit Tail(std::int64_t count) : count_(count) {
#if defined(__AVX512F__)
    mask_ = static_cast<__mmask16>(0xffffu >> (lanes - count));
#elif defined(__AVX2__)
    mask_ = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
#endif
  }

  floats load(const float* p) const {
#if defined(__AVX512F__)
    return reinterpret_cast<floats>(_mm512_maskz_loadu_ps(mask_, p));
#elif defined(__AVX2__)
    return reinterpret_cast<floats>(_mm256_maskload_ps(p, mask_));
#else
    floats x{};
    std::memcpy(&x, p, static_cast<std::size_t>(count_) * sizeof *p);
    return x;
#endif
  }

  void store(float* p, floats x) const {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, mask_, reinterpret_cast<__m512>(x));
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, mask_, reinterpret_cast<__m256>(x));
#else
    std::memcpy(p, &x, static_cast<std::size_t>(count_) * sizeof *p);
#endif
  }

  halves load_halves(const bfloat16* p) const {
#if defined(__AVX512F__)
    return reinterpret_cast<halves>(_mm256_maskz_loadu_epi16(mask_, p));
#else
    halves x{};
    std::memcpy(&x, p, static_cast<std::size_t>(count_) * sizeof *p);
    return x;
#endif
  }
  floats load(const bfloat16* p) const { return widen(load_halves(p)); }

  void store(bfloat16* p, floats x) const {
    const halves y = narrow(x);
#if defined(__AVX512F__)
    _mm256_mask_storeu_epi16(p, mask_, reinterpret_cast<__m256i>(y));
#else
    std::memcpy(p, &y, static_cast<std::size_t>(count_) * sizeof *p);
#endif
  }

 private:
  std::int64_t count_;
#if defined(__AVX512F__)
  __mmask16 mask_;
#elif defined(__AVX2__)
  __m256i mask_;
#endif
};

// Calls f(Whole or Tail, first number) for every vector of n numbers.
template <typename F>
[[gnu::always_inline]] inline void over_vectors(std::int64_t n, const F& f) {
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(Whole{}, i);
  if (i < n) f(Tail(n - i), i);
}

}  // namespace pellucid::PELLUCID_LEVEL

// Float32 vectors of the level's register width in GCC's vector extensions (also Clang's), and the elementary functions
// on them: exp, expm1, log, log1p, tanh, sigmoid, softplus, erf, sqrt, floor, sine and cosine. Kernel
// files only.
//
// Each function is within 4 units in the last place of the exact value over the whole range, denormal numbers included,
// gives the right infinities, and passes a NaN on. Polynomials are minimax fits (Remez) over the stated interval; the
// stated error is theirs, relative to the function, before rounding. ln 2 is split in two (Cody and Waite 1980) so that
// exponent · head is exact. Without fused multiply-add the bounds hold too.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>

#include "convert.hpp"
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
typedef std::uint32_t words __attribute__((vector_size(vector_bytes)));
typedef std::uint64_t longs __attribute__((vector_size(vector_bytes)));
typedef std::uint16_t halves __attribute__((vector_size(vector_bytes / 2)));

inline floats splat(float x) { return x - floats{}; }
inline ints splat(std::int32_t x) { return x - ints{}; }

inline ints bits(floats x) { return reinterpret_cast<ints>(x); }
inline floats from_bits(ints x) { return reinterpret_cast<floats>(x); }
inline floats to_floats(ints x) { return __builtin_convertvector(x, floats); }

inline floats load(const float* p) {
  floats x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline void store(float* p, floats x) { std::memcpy(p, &x, sizeof x); }

inline float to_float(bfloat16 x) { return convert<float>(Bfloat16{x}); }
inline float to_float(float x) { return x; }
inline bfloat16 to_bfloat16(float x) { return convert<Bfloat16>(x).word; }

inline words to_words(halves x) {
#if defined(__AVX512F__)  // one instruction, where GCC 12 makes four of the conversion
  return reinterpret_cast<words>(_mm512_maskz_cvtepu16_epi32(0xffff, reinterpret_cast<__m256i>(x)));
#else
  return __builtin_convertvector(x, words);
#endif
}
inline floats widen(halves x) { return reinterpret_cast<floats>(to_words(x) << 16); }

inline halves narrow(floats x) {  // as to_bfloat16; the instruction also flushes denormal numbers to zero
#if defined(__AVX512BF16__)
  return reinterpret_cast<halves>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(x)));
#else
  const words word = reinterpret_cast<words>(x);
  const words rounded = word + 0x7fffu + ((word >> 16) & 1u);
  return __builtin_convertvector((x != x ? word | 0x400000u : rounded) >> 16, halves);
#endif
}

inline floats load(const bfloat16* p) {
  halves x;
  std::memcpy(&x, p, sizeof x);
  return widen(x);
}
inline void store(bfloat16* p, floats x) {
  const halves y = narrow(x);
  std::memcpy(p, &y, sizeof y);
}

// Calls f with a number of the type in which floats are stored: float or bfloat16.
template <typename F>
inline auto with_floats(Dtype dtype, const F& f) {
  require(dtype == Dtype::float32 || dtype == Dtype::bfloat16, "operands are float32 or bfloat16");
  return dtype == Dtype::float32 ? f(float{}) : f(bfloat16{});
}

inline floats absolute(floats x) { return from_bits(bits(x) & 0x7fffffff); }
inline floats with_sign_of(floats magnitude, floats sign) {
  return from_bits((bits(magnitude) & 0x7fffffff) | (bits(sign) & splat(INT32_MIN)));
}
// NaN in, NaN out, whichever operand holds it.
inline floats maximum(floats a, floats b) { return (a > b) | (a != a) ? a : b; }
inline floats minimum(floats a, floats b) { return (a < b) | (a != a) ? a : b; }

inline floats sqrt(floats x) {
  for (std::int64_t i = 0; i < lanes; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
}
inline floats floor(floats x) {
  for (std::int64_t i = 0; i < lanes; ++i) x[i] = __builtin_floorf(x[i]);
  return x;
}

// ---- math ----

inline constexpr float infinity = __builtin_inff();
inline constexpr float not_a_number = __builtin_nanf("");
inline constexpr float ln2_head = 0.693359375f, ln2_tail = -2.12194440e-4f;

// c₀ + c₁x + c₂x² + …
template <typename... Rest>
inline floats polynomial(floats x, float first, Rest... rest) {
  if constexpr (sizeof...(rest) == 0)
    return splat(first);
  else
    return polynomial(x, rest...) * x + first;
}

// x = n·ln 2 + r with |r| ≤ ln 2 / 2; |x| < 2²¹. Adding 1.5·2²³ rounds to an integer and leaves it in the low bits.
struct Reduced {
  floats r;
  ints n;
};
inline Reduced reduce(floats x) {
  constexpr float shift = 12582912.0f;
  const floats shifted = x * 1.44269504f + shift;
  const floats n = shifted - shift;
  return {(x - n * ln2_head) - n * ln2_tail, bits(shifted) - bits(splat(shift))};
}
// 2ⁿ for -126 ≤ n ≤ 127.
inline floats power_of_2(ints n) { return from_bits((n + 127) << 23); }

// |r| ≤ ln 2 / 2: 1 + r + r²·(degree 4); error 4e-9.
inline floats exp_of_rest(floats r) {
  return polynomial(r, 0.5f, 0.1666652113199234f, 0.041666217148303986f, 0.00836864672601223f, 0.0013949982821941376f) *
             (r * r) +
         r + 1.0f;
}
// -105 ≤ x ≤ 89: what lies beyond is infinite or zero.
inline floats exp_within(floats x) {
  const auto [r, n] = reduce(x);
  const floats e = exp_of_rest(r);
#if defined(__AVX512F__)  // one instruction; unmasked, GCC 12 warns of its undefined third operand
  return reinterpret_cast<floats>(
      _mm512_maskz_scalef_ps(0xffff, reinterpret_cast<__m512>(e), reinterpret_cast<__m512>(to_floats(n))));
#else
  // Two factors, since 2ⁿ itself may overflow or be denormal.
  const ints half = n >> 1;
  return e * power_of_2(half) * power_of_2(n - half);
#endif
}
inline floats exp(floats x) {
  x = x > 89.0f ? splat(89.0f) : x;
  return exp_within(x < -105.0f ? splat(-105.0f) : x);
}

// eˣ for x ≤ 88, zero below -87: no denormal numbers, and two thirds of the work.
inline floats exp_bounded(floats x) {
  const auto [r, n] = reduce(x);
  return x < -87.0f ? floats{} : exp_of_rest(r) * power_of_2(n);
}

// eˣ - 1 for x ≤ 87; |r| ≤ ln 2 / 2: r + r²·(degree 5); error 3e-10.
inline floats expm1_bounded(floats x) {
  const auto [r, n] = reduce(x);
  const floats e = polynomial(r, 0.5f, 0.1666666716337204f, 0.041666366159915924f, 0.00833327416330576f,
                              0.0013940377393737435f, 0.00019913734286092222f) *
                       (r * r) +
                   r;
  const floats scale = power_of_2(n);
  const floats y = scale * e + (scale - 1.0f);
  return x == 0.0f ? x : y;
}
inline floats expm1(floats x) {
  const floats low = x < -30.0f ? splat(-30.0f) : x;
  return x > 30.0f ? exp(x) : expm1_bounded(low > 30.0f ? splat(30.0f) : low);
}

// x = 2ᵏ(1 + f) with 1 + f in [√½, √2]: f - f²/2 + f³·(degree 8); error 1e-9.
inline floats log(floats x) {
  const ints denormal = x < 1.17549435e-38f;
  const floats scaled = denormal ? x * 8388608.0f : x;
  // Subtracting the bits of √½ before the shift moves the exponent's border from 1 to √½.
  const ints shifted = reinterpret_cast<ints>(reinterpret_cast<words>(scaled) - 0x3f3504f3u);  // wraps below zero
  const ints exponent = (shifted >> 23) - (denormal ? splat(23) : splat(0));
  const floats f = from_bits((shifted & 0x007fffff) + 0x3f3504f3) - 1.0f;
  const floats k = to_floats(exponent);
  const floats p = polynomial(f, 0.3333331346511841f, -0.24999985098838806f, 0.20002029836177826f,
                              -0.16669242084026337f, 0.14222124218940735f, -0.12386064231395721f, 0.11851383745670319f,
                              -0.1177373081445694f, 0.06942253559827805f);
  const floats square = f * f;
  floats y = (f * square * p + k * ln2_tail - 0.5f * square) + f + k * ln2_head;
  y = x == 0.0f ? splat(-infinity) : y;
  y = x < 0.0f ? splat(not_a_number) : y;
  return (x < infinity) ? y : x;  // infinity and NaN
}

// ln(u) + (x - (u - 1))/u with u = 1 + x rounded (Kahan's correction).
inline floats log1p(floats x) {
  const floats u = 1.0f + x;
  const floats correction = (x - (u - 1.0f)) / u;
  const floats y = log(u);
  return x == 0.0f ? x : (u > 0.0f) & (u < infinity) ? y + correction : y;
}

// With e = e^(-2|x|) - 1: tanh |x| = -e / (2 + e).
inline floats tanh(floats x) {
  const floats magnitude = absolute(x);
  const floats e = expm1_bounded(-2.0f * (magnitude > 20.0f ? splat(20.0f) : magnitude));
  return with_sign_of(-e / (2.0f + e), x);
}

// With e = e^(-|x|): 1/(1 + e) for x ≥ 0, e/(1 + e) below, so that the small end keeps its digits.
inline floats sigmoid(floats x) {
  const floats magnitude = absolute(x);
  const floats e = exp_within(-(magnitude > 105.0f ? splat(105.0f) : magnitude));
  return (x < 0.0f ? e : splat(1.0f)) / (1.0f + e);
}

inline floats softplus(floats x) { return maximum(x, splat(0.0f)) + log1p(exp(-absolute(x))); }

// |x| ≤ 0.95: x·(degree 6 in x²), error 6e-10; above: 1 - e^(-p), p of degree 7, error 3e-11 of the complement; from 4
// on it is 1 in float32.
inline floats erf(floats x) {
  const floats a = absolute(x);
  const floats t = x * x;
  const floats small =
      x * polynomial(t, 1.128379225730896f, -0.37612631916999817f, 0.11283672600984573f, -0.026858104392886162f,
                     0.0051977974362671375f, -0.000810596568044275f, 8.215427078539506e-05f);
  const floats b = a > 4.0f ? splat(4.0f) : a;
  const floats p =
      polynomial(b, -0.0001809752284316346f, 1.1295450925827026f, 0.6332858800888062f, 0.10834722965955734f,
                 -0.025162845849990845f, 0.00418755691498518f, -0.00043786916648969054f, 2.139000025636051e-05f);
  return a < 0.95f ? small : with_sign_of(1.0f - exp(-p), x);
}

// The standard normal distribution at x: the share below it, Φ, and the density, φ. With t = 1/(1 + 0.3·|x|), t·(degree
// 7 in t) times exp(-x²/2) is Φ(-|x|), error 1.5e-7 up to |x| = 14, where float32 ends.
struct Normal {
  floats share, density;
};
inline Normal normal(floats x) {
  const floats e = exp_bounded(-0.5f * (x * x));
  const floats t = 1.0f / (1.0f + 0.3f * absolute(x));
  const floats tail =
      e * (t * polynomial(t, 0.11962930113077164f, 0.12075395882129669f, 0.09991349279880524f, 0.1285616159439087f,
                          -0.053683631122112274f, 0.20635348558425903f, -0.1572030782699585f, 0.035674773156642914f));
  return {x < 0.0f ? tail : 1.0f - tail, 0.3989422804f * e};
}
// x·Φ(x), and its derivative Φ(x) + x·φ(x), which takes little more.
struct Gelu {
  floats y, derivative;
};
inline Gelu gelu(floats x) {
  const auto [share, density] = normal(x);
  return {x * share, share + x * density};
}

// Sine and cosine of 2πu for 0 ≤ u < 1, u a multiple of 2⁻²⁴: the quarter of the turn and what is left of it, |d| ≤ ½,
// are exact; d·(degree 3 in d²), error 5e-9, and degree 4 in d², error 5e-11.
struct SineCosine {
  floats sine, cosine;
};
inline SineCosine sine_cosine_of_turn(floats u) {
  const floats quarter = floor(4.0f * u + 0.5f);
  const floats d = 4.0f * u - quarter;
  const floats t = d * d;
  const floats s =
      d * polynomial(t, 1.5707963705062866f, -0.6459634900093079f, 0.07968022674322128f, -0.004602177068591118f);
  const floats c =
      polynomial(t, 1.0f, -1.2337005138397217f, 0.25366920232772827f, -0.02086007222533226f, 0.0009036316769197583f);
  const ints k = __builtin_convertvector(quarter, ints);
  const ints swapped = (k & 1) != 0;
  const floats sine = swapped ? c : s, cosine = swapped ? s : c;
  return {(k & 2) != 0 ? -sine : sine, ((k + 1) & 2) != 0 ? -cosine : cosine};
}

}  // namespace pellucid::PELLUCID_LEVEL

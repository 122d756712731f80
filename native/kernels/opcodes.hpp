// The opcodes of `elementwise`: each is one tight loop over blocks of registers.
//
// A register holds float32 numbers, or the bits of whole numbers: those that the opcodes `int32_…` take and give, exact
// and modulo 2³². Truth values are float32 everywhere.
#pragma once

#include <cmath>

#include "../vector.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

// y = f(a, b, c) for n numbers, n a multiple of `lanes`. y may be one of the sources.
using BlockLoop = void (*)(float* y, const float* a, const float* b, const float* c, std::int64_t n);

struct Opcode {
  std::string_view name;
  int sources;
  double nanoseconds;  // per number, on one thread, for the choice of threads
  BlockLoop loop;
  unsigned whole = 0;  // bit s: source s is whole; bit 3: the result is

  bool whole_source(std::size_t source) const { return whole >> source & 1u; }
  bool whole_result() const { return whole >> 3 & 1u; }
};

constexpr Opcode with_whole(unsigned whole, Opcode opcode) {
  opcode.whole = whole;
  return opcode;
}

template <typename F>
constexpr Opcode unary(std::string_view name, double nanoseconds, F) {
  return {name, 1, nanoseconds, [](float* y, const float* a, const float*, const float*, std::int64_t n) {
            for (std::int64_t i = 0; i < n; i += lanes) store(y + i, F{}(load(a + i)));
          }};
}

template <typename F>
constexpr Opcode binary(std::string_view name, double nanoseconds, F) {
  return {name, 2, nanoseconds, [](float* y, const float* a, const float* b, const float*, std::int64_t n) {
            for (std::int64_t i = 0; i < n; i += lanes) store(y + i, F{}(load(a + i), load(b + i)));
          }};
}

template <typename F>
constexpr Opcode ternary(std::string_view name, double nanoseconds, F) {
  return {name, 3, nanoseconds, [](float* y, const float* a, const float* b, const float* c, std::int64_t n) {
            for (std::int64_t i = 0; i < n; i += lanes) store(y + i, F{}(load(a + i), load(b + i), load(c + i)));
          }};
}

// True is 1, false is 0.
inline floats truth(ints mask) { return from_bits(mask & 0x3f800000); }

// Sums, differences and products of signed and unsigned numbers have the same bits; only unsigned ones may overflow.
inline words to_words(floats x) { return reinterpret_cast<words>(x); }
inline floats from_words(words x) { return reinterpret_cast<floats>(x); }

constexpr double cheap = 0.1, dear = 0.5;

constexpr Opcode opcodes[] = {
    unary("copy", cheap, [](floats x) { return x; }),
    unary("negative", cheap, [](floats x) { return -x; }),
    unary("reciprocal", cheap, [](floats x) { return 1.0f / x; }),
    unary("square", cheap, [](floats x) { return x * x; }),
    unary("absolute", cheap, [](floats x) { return absolute(x); }),
    unary("sqrt", cheap, [](floats x) { return sqrt(x); }),
    unary("floor", cheap, [](floats x) { return floor(x); }),
    unary("relu", cheap, [](floats x) { return x < 0.0f ? splat(0.0f) : x; }),
    unary("step", cheap, [](floats x) { return x != x ? x : truth(x > 0.0f); }),
    unary("sign", cheap, [](floats x) { return x != x ? x : truth(x > 0.0f) - truth(x < 0.0f); }),
    unary("isfinite", cheap, [](floats x) { return truth(absolute(x) < infinity); }),
    unary("logical_not", cheap, [](floats x) { return truth(x == 0.0f); }),
    unary("exp", dear, [](floats x) { return exp(x); }),
    unary("expm1", dear, [](floats x) { return expm1(x); }),
    unary("log", dear, [](floats x) { return log(x); }),
    unary("log1p", dear, [](floats x) { return log1p(x); }),
    unary("tanh", dear, [](floats x) { return tanh(x); }),
    unary("sigmoid", dear, [](floats x) { return sigmoid(x); }),
    unary("softplus", dear, [](floats x) { return softplus(x); }),
    unary("erf", dear, [](floats x) { return erf(x); }),
    binary("add", cheap, [](floats a, floats b) { return a + b; }),
    binary("subtract", cheap, [](floats a, floats b) { return a - b; }),
    binary("multiply", cheap, [](floats a, floats b) { return a * b; }),
    binary("divide", cheap, [](floats a, floats b) { return a / b; }),
    binary("maximum", cheap, [](floats a, floats b) { return maximum(a, b); }),
    binary("minimum", cheap, [](floats a, floats b) { return minimum(a, b); }),
    binary("equal", cheap, [](floats a, floats b) { return truth(a == b); }),
    binary("not_equal", cheap, [](floats a, floats b) { return truth(a != b); }),
    binary("less", cheap, [](floats a, floats b) { return truth(a < b); }),
    binary("less_equal", cheap, [](floats a, floats b) { return truth(a <= b); }),
    binary("greater", cheap, [](floats a, floats b) { return truth(a > b); }),
    binary("greater_equal", cheap, [](floats a, floats b) { return truth(a >= b); }),
    binary("logical_and", cheap, [](floats a, floats b) { return truth((a != 0.0f) & (b != 0.0f)); }),
    binary("logical_or", cheap, [](floats a, floats b) { return truth((a != 0.0f) | (b != 0.0f)); }),
    binary("power", 10 * dear,
           [](floats a, floats b) {
             floats y;
             for (std::int64_t i = 0; i < lanes; ++i) y[i] = std::pow(a[i], b[i]);
             return y;
           }),
    ternary("where", cheap, [](floats a, floats b, floats c) { return a != 0.0f ? b : c; }),
    with_whole(0b1001, unary("int32_copy", cheap, [](floats x) { return x; })),
    with_whole(0b1001, unary("int32_negative", cheap, [](floats x) { return from_words(-to_words(x)); })),
    with_whole(0b1011,
               binary("int32_add", cheap, [](floats a, floats b) { return from_words(to_words(a) + to_words(b)); })),
    with_whole(0b1011, binary("int32_subtract", cheap,
                              [](floats a, floats b) { return from_words(to_words(a) - to_words(b)); })),
    with_whole(0b1011, binary("int32_multiply", cheap,
                              [](floats a, floats b) { return from_words(to_words(a) * to_words(b)); })),
    with_whole(0b1011, binary("int32_maximum", cheap, [](floats a, floats b) { return bits(a) > bits(b) ? a : b; })),
    with_whole(0b1011, binary("int32_minimum", cheap, [](floats a, floats b) { return bits(a) < bits(b) ? a : b; })),
    with_whole(0b0011, binary("int32_equal", cheap, [](floats a, floats b) { return truth(bits(a) == bits(b)); })),
    with_whole(0b0011, binary("int32_not_equal", cheap, [](floats a, floats b) { return truth(bits(a) != bits(b)); })),
    with_whole(0b0011, binary("int32_less", cheap, [](floats a, floats b) { return truth(bits(a) < bits(b)); })),
    with_whole(0b0011, binary("int32_less_equal", cheap, [](floats a, floats b) { return truth(bits(a) <= bits(b)); })),
    with_whole(0b0011, binary("int32_greater", cheap, [](floats a, floats b) { return truth(bits(a) > bits(b)); })),
    with_whole(0b0011,
               binary("int32_greater_equal", cheap, [](floats a, floats b) { return truth(bits(a) >= bits(b)); })),
    with_whole(0b1110, ternary("int32_where", cheap, [](floats a, floats b, floats c) { return a != 0.0f ? b : c; })),
};

}  // namespace
}  // namespace pellucid::PELLUCID_LEVEL

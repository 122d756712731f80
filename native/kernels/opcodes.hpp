// The opcodes of `elementwise`: each is one tight loop over a block of float32 registers.
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
};

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
};

}  // namespace
}  // namespace pellucid::PELLUCID_LEVEL

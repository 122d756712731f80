// Conversions between what arrays hold and what buffers hold: one value at a time, in loops that vectorise.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernel.hpp"

namespace pellucid {

// Its own type, since as a number a bfloat16 is not the uint16 that stores it.
struct Bfloat16 {
  bfloat16 word;
};

template <typename Target, typename Source>
inline Target convert(Source x) {
  if constexpr (std::is_same_v<Target, Source>) {
    return x;
  } else if constexpr (std::is_same_v<Source, Bfloat16>) {
    const std::uint32_t word = static_cast<std::uint32_t>(x.word) << 16;
    float y;
    std::memcpy(&y, &word, sizeof y);
    return convert<Target>(y);
  } else if constexpr (std::is_same_v<Target, Bfloat16>) {  // to nearest even; a NaN stays one
    const float y = static_cast<float>(x);
    std::uint32_t word;
    std::memcpy(&word, &y, sizeof word);
    const std::uint32_t rounded = word + 0x7fffu + ((word >> 16) & 1u);
    return {static_cast<bfloat16>((y != y ? word | 0x400000u : rounded) >> 16)};
  } else if constexpr (std::is_same_v<Target, bool>) {
    return x != Source{0};
  } else if constexpr (std::is_same_v<Target, std::int32_t> && std::is_same_v<Source, std::int64_t>) {
    // An id that does not fit stays out of range.
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(x, std::numeric_limits<std::int32_t>::min(),
                                                              std::numeric_limits<std::int32_t>::max()));
  } else {
    return static_cast<Target>(x);
  }
}

// Calls f(T{}) with the C++ type of the dtype.
template <typename F>
inline auto with_type(Dtype dtype, const F& f) {
  switch (dtype) {
    case Dtype::float32: return f(float{});
    case Dtype::bfloat16: return f(Bfloat16{});
    case Dtype::int32: return f(std::int32_t{});
    case Dtype::uint32: return f(std::uint32_t{});
    case Dtype::float64: return f(double{});
    case Dtype::int64: return f(std::int64_t{});
    case Dtype::uint8: return f(std::uint8_t{});
    default: return f(bool{});
  }
}

// Fractions never become integers unasked, and a key stays what it is.
inline bool convertible(Dtype source, Dtype target) {
  if (source == target) return true;
  const bool fraction = source == Dtype::float32 || source == Dtype::bfloat16 || source == Dtype::float64;
  switch (target) {
    case Dtype::float32:
    case Dtype::bfloat16: return source != Dtype::uint32;
    case Dtype::int32: return !fraction && source != Dtype::uint32;
    case Dtype::boolean: return source == Dtype::uint8;
    default: return false;
  }
}

}  // namespace pellucid

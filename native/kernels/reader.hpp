// Reads any operand as float32 or int32 numbers, as if broadcast to a larger shape by NumPy's rules.
#pragma once

#include <algorithm>

#include "../convert.hpp"
#include "../vector.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

class Reader {
 public:
  Reader(const View& x, const Shape& shape)
      : data_(x.data), dtype_(x.dtype == Dtype::boolean ? Dtype::uint8 : x.dtype) {  // loops over bool stay scalar
    if (x.rank() > shape.size()) refuse("shape " + shape_text(x.shape) + " does not broadcast to " + shape_text(shape));
    std::int64_t stride = 1;
    for (std::size_t i = 0; i < shape.size(); ++i) {  // innermost first
      const std::int64_t extent = shape[shape.size() - 1 - i];
      const std::int64_t own = i < x.rank() ? x.shape[x.rank() - 1 - i] : 1;
      if (own != extent && own != 1)
        refuse("shape " + shape_text(x.shape) + " does not broadcast to " + shape_text(shape));
      if (extent == 1) continue;
      const std::int64_t step = own == 1 ? 0 : stride;
      stride *= own;
      // Two neighbours that move alike are one axis.
      if (!axes_.empty() && step == (axes_.back().stride == 0 ? 0 : axes_.back().stride * axes_.back().extent))
        axes_.back().extent *= extent;
      else
        axes_.push_back({extent, step});
    }
    if (axes_.empty()) axes_.push_back({1, 1});
  }

  bool dense() const { return axes_.size() == 1 && axes_[0].stride == 1; }

  // After how many numbers the operand repeats; 0: it does not.
  std::int64_t period() const {
    if (axes_.back().stride != 0) return 0;
    std::int64_t product = 1;
    for (std::size_t i = 0; i + 1 < axes_.size(); ++i) product *= axes_[i].extent;
    return product;
  }

  // Numbers begin … begin+n-1 of the broadcast operand; y has room for one vector more.
  template <typename Target>
  void read(Target* y, std::int64_t begin, std::int64_t n) const {
    with_type(dtype_, [&](auto type) { read_as<decltype(type)>(y, begin, n); });
  }

 private:
  struct Axis {
    std::int64_t extent, stride;
  };

  template <typename T, typename Target>
  void read_as(Target* y, std::int64_t begin, std::int64_t n) const {
    const T* data = static_cast<const T*>(data_);
    const Axis inner = axes_[0];
    const Axis outer = axes_.size() > 1 ? axes_[1] : Axis{1, 0};
    std::int64_t at = begin % inner.extent, row = begin / inner.extent;
    std::int64_t place = row % outer.extent, base = row / outer.extent, offset = offset_of(base);
    while (n > 0) {  // one stretch along the inner axis at a time
      const std::int64_t count = std::min(n, inner.extent - at);
      const T* x = data + offset + place * outer.stride;
      if (inner.stride == 0) {
        const auto value = splat(convert<Target>(*x));
        for (std::int64_t i = 0; i < count; i += lanes) std::memcpy(y + i, &value, sizeof value);
      } else {
        for (std::int64_t i = 0; i < count; ++i) y[i] = convert<Target>(x[at + i]);
      }
      y += count, n -= count, at = 0;
      if (++place == outer.extent) place = 0, offset = offset_of(++base);
    }
  }

  // Of the axes beyond the two innermost.
  std::int64_t offset_of(std::int64_t index) const {
    std::int64_t offset = 0;
    for (std::size_t i = 2; i < axes_.size(); ++i) {
      offset += index % axes_[i].extent * axes_[i].stride;
      index /= axes_[i].extent;
    }
    return offset;
  }

  const void* data_;
  Dtype dtype_;
  std::vector<Axis> axes_;  // innermost first; contiguous arrays make the innermost stride 0 or 1
};

}  // namespace
}  // namespace pellucid::PELLUCID_LEVEL

// What a convolution is to the algorithms that compute it or its derivatives: sizes per axis, and the sweep of a kernel
// over them. With one spatial axis, the height is 1.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "gemm_output.hpp"
#include "gemm_product.hpp"

namespace pellucid::PELLUCID_LEVEL {

struct ConvolutionAxis {
  std::int64_t input, kernel, output;
  std::int64_t stride = 1, dilation = 1, before = 0;  // `before`: zeros in front of the input
};

struct ConvolutionShape {
  std::int64_t batch, inputs, outputs, groups;  // inputs, outputs: channels of x and of y
  ConvolutionAxis height, width;

  std::int64_t group_inputs() const { return inputs / groups; }
  std::int64_t group_outputs() const { return outputs / groups; }
  std::int64_t taps() const { return height.kernel * width.kernel; }
  std::int64_t windows() const { return batch * height.output * width.output; }
  double multiplications() const {
    return static_cast<double>(windows()) * static_cast<double>(taps() * group_inputs() * outputs);
  }
};

// Of x [b, *n, c], w [*k, c/groups, m] and y [b, *windows, m], one or two spatial axes.
inline ConvolutionShape convolution_shape(const std::string& kernel, const Attributes& attributes, const View& x,
                                          const View& w, const View& y) {
  const auto need = [&](bool condition, const char* message) {
    if (!condition)
      refuse(kernel + ": " + message + ": x " + shape_text(x.shape) + ", w " + shape_text(w.shape) + ", y " +
             shape_text(y.shape));
  };
  need(x && w && y && is_float(x) && is_float(w) && is_float(y), "operands must be float32 or bfloat16");
  const std::size_t axes = x.rank() - 2;
  need((x.rank() == 3 || x.rank() == 4) && w.rank() == x.rank() && y.rank() == x.rank(),
       "operands need one or two spatial axes");
  const std::vector<std::int64_t> strides = attributes.integers("strides"), padding = attributes.integers("padding"),
                                  dilation = attributes.integers("dilation");
  need(strides.size() == axes && padding.size() == 2 * axes && dilation.size() == axes,
       "strides and dilation need one number per spatial axis, padding two");
  ConvolutionShape shape{.batch = x.shape[0],
                         .inputs = x.shape.back(),
                         .outputs = y.shape.back(),
                         .groups = attributes.integer("groups"),
                         .height = {1, 1, 1},
                         .width = {1, 1, 1}};
  for (std::size_t i = 0; i < axes; ++i) {
    ConvolutionAxis& axis = i + 1 < axes ? shape.height : shape.width;
    axis = {x.shape[i + 1], w.shape[i], y.shape[i + 1], strides[i], dilation[i], padding[2 * i]};
    need(axis.stride > 0 && axis.dilation > 0 && axis.before >= 0 && padding[2 * i + 1] >= 0 && axis.kernel > 0,
         "strides, dilation and kernel sizes are positive, and padding is not negative");
    const std::int64_t room = axis.input + axis.before + padding[2 * i + 1] - (axis.kernel - 1) * axis.dilation - 1;
    need(axis.output == (room < 0 ? 0 : room / axis.stride + 1), "the spatial sizes do not belong together");
  }
  need(shape.inputs > 0 && shape.outputs > 0, "there are no channels");
  need(shape.groups > 0 && shape.inputs % shape.groups == 0 && shape.outputs % shape.groups == 0 &&
           w.shape[axes] * shape.groups == shape.inputs && w.shape.back() == shape.outputs && y.shape[0] == shape.batch,
       "batches, channels and groups do not belong together");
  return shape;
}

// Target positions at equal distances along an axis, and what they read: position j stands at first + j·apart, and its
// taps at j·step + offset of the source.
struct Sweep {
  struct Tap {
    std::int64_t at, offset;  // place in the kernel; ascending offsets
  };
  std::int64_t count, first, apart, step;
  std::vector<Tap> taps;
};

// y from x: one sweep.
inline std::vector<Sweep> sweeps_of_windows(const ConvolutionAxis& axis) {
  Sweep sweep{axis.output, 0, 1, axis.stride, {}};
  for (std::int64_t k = 0; k < axis.kernel; ++k) sweep.taps.push_back({k, k * axis.dilation - axis.before});
  return {sweep};
}

// The gradient of x from that of y: x at i meets y at j where i = j·stride - before + k·dilation. The places i that
// leave the same rest by the stride meet the same taps: one sweep for each rest, the longest first.
inline std::vector<Sweep> sweeps_of_input(const ConvolutionAxis& axis) {
  std::vector<Sweep> sweeps;
  for (std::int64_t rest = 0; rest < std::min(axis.stride, axis.input); ++rest) {
    Sweep sweep{(axis.input - rest + axis.stride - 1) / axis.stride, rest, axis.stride, 1, {}};
    for (std::int64_t k = axis.kernel - 1; k >= 0; --k) {
      const std::int64_t distance = rest + axis.before - k * axis.dilation;
      if (distance % axis.stride == 0) sweep.taps.push_back({k, distance / axis.stride});
    }
    sweeps.push_back(sweep);
  }
  return sweeps;
}

}  // namespace pellucid::PELLUCID_LEVEL

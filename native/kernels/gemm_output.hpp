// How instructions tell what becomes of a product's sums: bias, activation and mask, the same for every kernel that
// multiplies.
#pragma once

#include <string>

#include "gemm_tile.hpp"

namespace pellucid::PELLUCID_LEVEL {

inline bool is_float(const View& view) { return view.dtype == Dtype::float32 || view.dtype == Dtype::bfloat16; }

inline Activation activation_of(const std::string& kernel, const std::string& name) {
  if (name.empty()) return Activation::none;
  if (name == "relu") return Activation::relu;
  if (name == "tanh") return Activation::tanh;
  if (name == "sigmoid") return Activation::sigmoid;
  if (name == "gelu") return Activation::gelu;
  refuse(kernel + ": unknown activation '" + name + "': \"\", relu, tanh, sigmoid or gelu");
}

// The output y, whose last axis are its columns, with the attributes `activation` and `mask` and their operands.
inline Output output_of(const std::string& kernel, const Attributes& attributes, const View& y, const View& bias,
                        const View& mask) {
  Output output;
  output.y = y.data;
  output.dtype = y.dtype;
  output.columns = y.shape.back();
  output.activation = activation_of(kernel, attributes.text("activation", ""));
  if (y.dtype == Dtype::float32) output.partial = y.as<float>();
  if (bias) {
    if (bias.dtype != Dtype::float32 || bias.shape != Shape{output.columns})
      refuse(kernel + ": bias must be float32 of one number per column");
    output.bias = bias.as<float>();
  }
  const std::string mask_kind = attributes.text("mask", "");
  if (!mask_kind.empty() && mask_kind != "relu" && mask_kind != "multiply")
    refuse(kernel + ": mask must be \"\", relu or multiply");
  if (mask_kind.empty() != !mask) refuse(kernel + ": the mask attribute and the mask operand come together");
  if (mask) {
    if (!is_float(mask) || mask.shape != y.shape)
      refuse(kernel + ": mask must be float32 or bfloat16 of the shape of y");
    output.mask = mask.data;
    output.mask_dtype = mask.dtype;
    output.mask_multiplies = mask_kind == "multiply";
  }
  output.simple = output.activation == Activation::none || output.activation == Activation::relu;
  return output;
}

}  // namespace pellucid::PELLUCID_LEVEL

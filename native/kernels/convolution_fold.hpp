// Few filters would fill only part of a vector. Then `fold` neighbouring positions of a row count as channels of one:
// stored, they are that already. The stride grows by the same factor, and the kernel becomes as wide as all its places
// side by side, with zeros where a position does not reach.
#pragma once

#include "convolution_kernel.hpp"
#include "convolution_product.hpp"

namespace pellucid::PELLUCID_LEVEL {

inline ConvolutionShape folded(ConvolutionShape shape, std::int64_t fold) {
  shape.width.kernel += (fold - 1) * shape.width.stride;
  shape.width.stride *= fold;
  shape.width.output /= fold;
  shape.outputs *= fold;
  return shape;
}

// The factor that takes the fewest vector operations, 1 where none is worth it.
inline std::int64_t best_fold(const ConvolutionShape& shape) {
  const auto cost = [&](std::int64_t fold) {
    const ConvolutionShape s = folded(shape, fold);
    return static_cast<double>(s.width.kernel * ((s.outputs + lanes - 1) / lanes)) / static_cast<double>(fold);
  };
  std::int64_t best = 1;
  if (shape.groups == 1 && shape.width.dilation == 1)
    for (std::int64_t fold = 2; fold <= lanes / 2; ++fold)
      if (shape.width.output % fold == 0 && cost(fold) < 0.9 * cost(best)) best = fold;
  return best;
}

// Calls f(offset in the kernel, offset in the folded kernel) for every row of filters and every one of its places.
template <typename F>
void each_place(const ConvolutionShape& shape, std::int64_t fold, const F& f) {
  const std::int64_t row = shape.width.kernel * shape.inputs, wide = folded(shape, fold).width.kernel * shape.inputs;
  for (std::int64_t i = 0; i < shape.height.kernel; ++i)
    for (std::int64_t place = 0; place < fold; ++place)
      for (std::int64_t k = 0; k < row; ++k)
        f((i * row + k) * shape.outputs,
          ((i * wide + place * shape.width.stride * shape.inputs + k) * fold + place) * shape.outputs);
}

class FoldedProduct final : public Kernel {
 public:
  FoldedProduct(const ConvolutionShape& shape, std::int64_t fold, ConvolutionProduct::Problem problem, int threads)
      : shape_(shape), fold_(fold), w_(problem.w), bias_(problem.output.bias) {
    const ConvolutionShape s = folded(shape, fold);
    const std::int64_t size = s.taps() * s.inputs * s.outputs;
    kernel_ = scratch(size);
    std::fill_n(kernel_.get(), size, 0.0f);  // of either dtype
    biases_ = scratch(s.outputs);
    problem.across = sweeps_of_windows(s.width);
    problem.w = {kernel_.get(), w_.dtype, s.outputs, 1};
    problem.w_tap = s.inputs * s.outputs;
    problem.w_group = s.outputs;
    problem.kernel_width = s.width.kernel;
    problem.target_columns = s.width.output;
    problem.output.columns = s.outputs;
    if (bias_) problem.output.bias = biases_.get();
    product_ = std::make_unique<ConvolutionProduct>(problem, threads);
  }

  void run() override {
    const std::size_t bytes = static_cast<std::size_t>(shape_.outputs) * item_size(w_.dtype);
    each_place(shape_, fold_, [&](std::int64_t from, std::int64_t to) {
      std::memcpy(const_cast<void*>(offset(kernel_.get(), w_.dtype, to)), offset(w_.data, w_.dtype, from), bytes);
    });
    for (std::int64_t i = 0; bias_ && i < fold_ * shape_.outputs; ++i) biases_[i] = bias_[i % shape_.outputs];
    product_->run();
  }

 private:
  ConvolutionShape shape_;
  std::int64_t fold_;
  Operand w_;
  const float* bias_;
  Scratch kernel_, biases_;
  std::unique_ptr<ConvolutionProduct> product_;
};

class FoldedKernelGradient final : public Kernel {
 public:
  FoldedKernelGradient(const ConvolutionShape& shape, std::int64_t fold, const View& x, const View& g, const View& y,
                       const View& sums, int threads)
      : shape_(shape), fold_(fold), y_(y), sums_(sums) {
    const ConvolutionShape s = folded(shape, fold);
    kernel_ = scratch(s.taps() * s.inputs * s.outputs);
    biases_ = scratch(s.outputs);
    total_ = scratch(shape.taps() * shape.inputs * shape.outputs);
    const View kernel{kernel_.get(), Dtype::float32, {s.height.kernel, s.width.kernel, s.inputs, s.outputs}};
    const View biases{sums ? biases_.get() : nullptr, Dtype::float32, {s.outputs}};
    gradient_ = std::make_unique<ConvolutionKernelGradient>(s, x, g, kernel, biases, threads);
  }

  void run() override {
    gradient_->run();
    const std::int64_t filters = shape_.outputs, size = shape_.taps() * shape_.inputs * filters;
    std::fill_n(total_.get(), size, 0.0f);
    each_place(shape_, fold_, [&](std::int64_t to, std::int64_t from) {
      for (std::int64_t m = 0; m < filters; ++m) total_[to + m] += kernel_[from + m];
    });
    if (y_.dtype == Dtype::float32)
      std::memcpy(y_.data, total_.get(), y_.bytes());
    else
      for (std::int64_t i = 0; i < size; ++i) y_.as<bfloat16>()[i] = to_bfloat16(total_[i]);
    for (std::int64_t m = 0; sums_ && m < filters; ++m) {
      float total = 0;
      for (std::int64_t place = 0; place < fold_; ++place) total += biases_[place * filters + m];
      sums_.as<float>()[m] = total;
    }
  }

 private:
  ConvolutionShape shape_;
  std::int64_t fold_;
  View y_, sums_;
  Scratch kernel_, biases_, total_;
  std::unique_ptr<ConvolutionKernelGradient> gradient_;
};

}  // namespace pellucid::PELLUCID_LEVEL

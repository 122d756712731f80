// Convolution and its two gradients (kernels `convolution`, `convolution_input_gradient`,
// `convolution_kernel_gradient`).
//
//     convolution_product.hpp   the convolution, and the gradient of its input
//     convolution_scatter.hpp   the gradient of its input, where that has few channels
//     convolution_kernel.hpp    the gradient of its kernel
//     convolution_fold.hpp      the first and the last, where there are few filters
#include "convolution_fold.hpp"
#include "convolution_scatter.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

View at(Views views, std::size_t i) { return i < views.size() ? views[i] : View{}; }

struct Zeros final : Kernel {
  explicit Zeros(Views v) : views(v.begin(), v.end()) {}
  void run() override {
    for (const View& view : views) std::memset(view.data, 0, view.bytes());
  }
  std::vector<View> views;
};

std::unique_ptr<Kernel> make_convolution(const Attributes& attributes, Views inputs, Views outputs,
                                         const Context& context) {
  const std::string name = "convolution";
  require(inputs.size() >= 2 && inputs.size() <= 4 && outputs.size() == 1,
          "convolution takes x, w, bias and mask, and gives y");
  const View x = inputs[0], w = inputs[1], y = outputs[0];
  const ConvolutionShape s = convolution_shape(name, attributes, x, w, y);
  const Output output = output_of(name, attributes, y, at(inputs, 2), at(inputs, 3));
  if (y.size() == 0) return nullptr;
  const ConvolutionProduct::Problem problem{.source = x,
                                            .batch = s.batch,
                                            .rows = s.height.input,
                                            .columns = s.width.input,
                                            .groups = s.groups,
                                            .down = sweeps_of_windows(s.height),
                                            .across = sweeps_of_windows(s.width),
                                            .w = {w.data, w.dtype, s.outputs, 1},
                                            .w_tap = s.group_inputs() * s.outputs,
                                            .w_group = s.group_outputs(),
                                            .kernel_width = s.width.kernel,
                                            .target_rows = s.height.output,
                                            .target_columns = s.width.output,
                                            .output = output};
  const std::int64_t fold = best_fold(s);
  if (fold > 1) return std::make_unique<FoldedProduct>(s, fold, problem, context.threads);
  return std::make_unique<ConvolutionProduct>(problem, context.threads);
}

std::unique_ptr<Kernel> make_convolution_input_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                                        const Context& context) {
  const std::string name = "convolution_input_gradient";
  require(inputs.size() >= 2 && inputs.size() <= 4 && outputs.size() == 1,
          "convolution_input_gradient takes g, w, bias and mask, and gives the gradient of x");
  const View g = inputs[0], w = inputs[1], y = outputs[0];
  const ConvolutionShape s = convolution_shape(name, attributes, y, w, g);
  const Output output = output_of(name, attributes, y, at(inputs, 2), at(inputs, 3));
  if (y.size() == 0) return nullptr;
  if (ConvolutionScatter::takes(s)) return std::make_unique<ConvolutionScatter>(s, g, w, output, context.threads);
  const ConvolutionProduct::Problem problem{.source = g,
                                            .batch = s.batch,
                                            .rows = s.height.output,
                                            .columns = s.width.output,
                                            .groups = s.groups,
                                            .down = sweeps_of_input(s.height),
                                            .across = sweeps_of_input(s.width),
                                            .w = {w.data, w.dtype, 1, s.outputs},
                                            .w_tap = s.group_inputs() * s.outputs,
                                            .w_group = s.group_outputs(),
                                            .kernel_width = s.width.kernel,
                                            .target_rows = s.height.input,
                                            .target_columns = s.width.input,
                                            .output = output};
  return std::make_unique<ConvolutionProduct>(problem, context.threads);
}

std::unique_ptr<Kernel> make_convolution_kernel_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                                         const Context& context) {
  const std::string name = "convolution_kernel_gradient";
  const bool bias_sums = attributes.integer("bias_sums", 0) != 0;
  require(inputs.size() == 2 && outputs.size() == (bias_sums ? 2u : 1u),
          "convolution_kernel_gradient takes x and g, gives the gradient of w, and with bias_sums the sums of g");
  const View x = inputs[0], g = inputs[1], y = outputs[0], sums = at(outputs, 1);
  const ConvolutionShape s = convolution_shape(name, attributes, x, y, g);
  require(!sums || (sums.dtype == Dtype::float32 && sums.shape == Shape{s.outputs}),
          "convolution_kernel_gradient: bias sums are float32, one per channel of g");
  if (s.windows() == 0) return std::make_unique<Zeros>(outputs);
  const std::int64_t fold = best_fold(s);
  if (fold > 1) return std::make_unique<FoldedKernelGradient>(s, fold, x, g, y, sums, context.threads);
  return std::make_unique<ConvolutionKernelGradient>(s, x, g, y, sums, context.threads);
}

}  // namespace
REGISTER_KERNEL("convolution", make_convolution)
REGISTER_KERNEL("convolution_input_gradient", make_convolution_input_gradient)
REGISTER_KERNEL("convolution_kernel_gradient", make_convolution_kernel_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

// The matrix product and its epilogues (kernel `matmul`): reads the operands' shapes, and chooses the algorithm.
//
//     small   gemm_small.hpp    tiles straight over float32 operands, no packing
//     packed  gemm_packed.hpp   our blocked product, any dtypes, threads
//     onednn  gemm_onednn.hpp   where the processor has a matrix unit for bfloat16
#include "../isa.hpp"
#include "gemm_onednn.hpp"
#include "gemm_output.hpp"
#include "gemm_packed.hpp"
#include "gemm_small.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

std::int64_t leading(const View& view) {
  std::int64_t product = 1;
  for (std::size_t axis = 0; axis + 2 < view.rank(); ++axis) product *= view.shape[axis];
  return product;
}

Product product_of(const Attributes& attributes, Views inputs, Views outputs) {
  const auto at = [&](std::size_t i) { return i < inputs.size() ? inputs[i] : View{}; };
  const View x = at(0), w = at(1), bias = at(2), mask = at(3), addend = at(4), y = outputs[0];
  require(x && w && is_float(x) && is_float(w) && is_float(y),
          "matmul takes x and w, float32 or bfloat16, and gives y likewise");
  require(x.rank() >= 2 && w.rank() >= 2 && y.rank() >= 2, "matmul: x, w and y need at least two axes");
  const bool transpose_x = attributes.integer("transpose_x", 0) != 0,
             transpose_w = attributes.integer("transpose_w", 0) != 0;
  const std::int64_t x_first = x.shape[x.rank() - 2], x_second = x.shape.back();
  const std::int64_t w_first = w.shape[w.rank() - 2], w_second = w.shape.back();

  Product p;
  p.rows = transpose_x ? x_second : x_first;
  p.inner = transpose_x ? x_first : x_second;
  p.columns = transpose_w ? w_first : w_second;
  p.x = {x.data, x.dtype, transpose_x ? x_second : 1, transpose_x ? 1 : x_second};
  p.w = {w.data, w.dtype, transpose_w ? 1 : w_second, transpose_w ? w_second : 1};
  if (p.inner != (transpose_w ? w_second : w_first))
    refuse("matmul: inner sizes differ: x " + shape_text(x.shape) + ", w " + shape_text(w.shape));
  const View& longer = x.rank() >= w.rank() ? x : w;
  Shape expected(longer.shape.begin(), longer.shape.end() - 2);
  if (x.rank() > 2 && w.rank() > 2)
    require(Shape(x.shape.begin(), x.shape.end() - 2) == Shape(w.shape.begin(), w.shape.end() - 2),
            "matmul: leading axes of x and w differ");
  expected.insert(expected.end(), {p.rows, p.columns});
  if (y.shape != expected) refuse("matmul: y is " + shape_text(y.shape) + ", not " + shape_text(expected));

  p.batch = leading(longer);
  p.x_batch = x.rank() > 2 ? x_first * x_second : 0;
  p.w_batch = w.rank() > 2 ? w_first * w_second : 0;
  p.y_batch = p.rows * p.columns;
  if (w.rank() == 2 && !transpose_x) {  // the leading axes of x are rows
    p.rows *= p.batch;
    p.batch = 1;
  }

  p.output = output_of("matmul", attributes, y, bias, mask);
  if (addend) {
    require(is_float(addend) && addend.shape == y.shape,
            "matmul: the addend must be float32 or bfloat16 of the shape of y");
    p.output.addend = addend.data;
    p.output.addend_dtype = addend.dtype;
  }
  return p;
}

// The further output of the activation's derivative.
void give_derivative(Product& p, const View& derivative, const View& y) {
  require(p.output.activation == Activation::gelu, "matmul: only gelu comes with its derivative");
  require(is_float(derivative) && derivative.shape == y.shape, "matmul: the derivative has the shape of y");
  p.output.derivative = derivative.data;
  p.output.derivative_dtype = derivative.dtype;
}

// y with one column lies in memory as with one row: (x·w)ᵀ = wᵀ·xᵀ then has neighbouring columns to fill vectors with.
Product with_long_rows(Product p) {
  if (p.columns != 1 || p.rows == 1 || p.x.across != 1 || p.output.bias || p.batch != 1 || p.column_sums) return p;
  std::swap(p.x, p.w);
  std::swap(p.rows, p.columns);
  p.output.columns = p.columns;
  return p;
}

#if defined(PELLUCID_ONEDNN)
struct InTurn final : Kernel {
  InTurn(std::unique_ptr<Kernel> a, std::unique_ptr<Kernel> b) : first(std::move(a)), second(std::move(b)) {}
  void run() override {
    first->run();
    second->run();
  }
  std::unique_ptr<Kernel> first, second;
};
#endif

std::unique_ptr<Kernel> choose(const Product& p, const std::string& algorithm, int threads) {
  const double multiplications = static_cast<double>(p.batch) * static_cast<double>(p.rows) *
                                 static_cast<double>(p.inner) * static_cast<double>(p.columns);
  const bool any = algorithm.empty();
  if ((any && p.inner == 0) || p.rows == 0) return std::make_unique<Packed>(p, 1);
  if ((any || algorithm == "small") && Dots::takes(p) && (p.columns == 1 || !p.output.bias))
    return std::make_unique<Dots>(p);
  if ((any && Small::takes(p) && (multiplications < 1 << 18 || p.rows < tile_rows)) || algorithm == "small") {
    require(Small::takes(p), "matmul: algorithm small takes float32 operands without leading axes");
    return std::make_unique<Small>(p);
  }
#if defined(PELLUCID_ONEDNN)
  const bool matrix_unit =
      p.x.dtype == Dtype::bfloat16 && bfloat16_unit() == std::string("amx") && multiplications > 1e6;
  if ((any && matrix_unit && OneDnn::takes(p)) || algorithm == "onednn") {
    require(OneDnn::takes(p), "matmul: algorithm onednn takes bfloat16 operands, or all float32");
    auto product = std::make_unique<OneDnn>(p, threads);
    if (!p.column_sums) return product;
    Product sums = p;
    sums.rows = 0;
    return std::make_unique<InTurn>(std::move(product), std::make_unique<Packed>(sums, threads));
  }
#endif
  if (!any && algorithm != "packed") refuse("matmul: unknown algorithm '" + algorithm + "' (in this build)");
  // Multiply-adds per microsecond of one thread, roughly: half of what a 4 GHz core with two units of this width does.
  const double speed = 4000.0 * static_cast<double>(lanes);
  return std::make_unique<Packed>(p, threads_for(multiplications / speed, threads));
}

std::unique_ptr<Kernel> make_matmul(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() >= 2 && inputs.size() <= 5 && !outputs.empty(),
          "matmul takes x, w, bias, mask and addend, and gives y");
  Product product = product_of(attributes, inputs, outputs);
  const std::string algorithm = attributes.text("algorithm", "");
  const bool column_sums = attributes.integer("column_sums", 0) != 0,
             derivative = attributes.integer("derivative", 0) != 0;
  require(!(column_sums && derivative) && outputs.size() == (column_sums || derivative ? 2u : 1u),
          "matmul: a second output comes with either column_sums or derivative");
  if (derivative) give_derivative(product, outputs[1], outputs[0]);

  if (column_sums) {
    require(outputs[1].dtype == Dtype::float32 && outputs[1].shape == Shape{product.columns} && product.batch == 1,
            "matmul: column sums are float32, one per column, of a w without leading axes");
    product.column_sums = outputs[1].as<float>();
  }
  if (product.batch * (product.rows + (column_sums ? 1 : 0)) * product.columns == 0) return nullptr;
  return choose(with_long_rows(product), algorithm, context.threads);
}

}  // namespace
REGISTER_KERNEL("matmul", make_matmul)
}  // namespace pellucid::PELLUCID_LEVEL

// gelu(x) = x·Φ(x) and its derivative in one pass (Hendrycks and Gimpel 2016), and the derivative's way back. Where a
// product makes x, or the adjoint, its epilogue does the same (gemm_tile.hpp).
#include "../threads.hpp"
#include "gemm_output.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

// Work on vectors of arrays of one shape, each float32 or bfloat16: work(first number, tail).
template <typename Work>
struct Pass final : Kernel {
  Pass(const Work& w, std::int64_t n, double nanoseconds_per_number, int threads)
      : work(w), size(n), parts(threads_for(1e-3 * nanoseconds_per_number * static_cast<double>(n), threads)) {}
  void run() override {
    parallel(parts, [this](int part) {
      const Range range = share(size, part, parts, 64);
      for (std::int64_t i = range.begin; i < range.end; i += lanes) work(i, Tail(std::min(lanes, range.end - i)));
    });
  }
  Work work;
  std::int64_t size;
  int parts;
};

template <typename Work>
std::unique_ptr<Kernel> pass(const View& y, double nanoseconds_per_number, const Context& context, const Work& work) {
  if (y.size() == 0) return nullptr;
  return std::make_unique<Pass<Work>>(work, y.size(), nanoseconds_per_number, context.threads);
}

void require_alike(const View& y, Views views) {
  for (const View& view : views)
    require(is_float(view) && view.shape == y.shape,
            "gelu and its gradient take and give arrays of one shape, float32 or bfloat16");
}

std::unique_ptr<Kernel> make_gelu(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 1 && (outputs.size() == 1 || outputs.size() == 2),
          "gelu takes x, and gives y and perhaps its derivative");
  require_alike(inputs[0], outputs);
  require_alike(inputs[0], inputs);
  const View x = inputs[0], y = outputs[0], slope = outputs.size() == 2 ? outputs[1] : View{};
  return pass(y, 0.5, context, [=](std::int64_t i, const Tail& tail) {
    floats row[1];
    load_row(x.data, x.dtype, i, tail, row);
    const auto [value, derivative] = gelu(row[0]);
    const floats values[1] = {value}, derivatives[1] = {derivative};
    store_row(y.data, y.dtype, i, tail, values);
    if (slope) store_row(slope.data, slope.dtype, i, tail, derivatives);
  });
}

std::unique_ptr<Kernel> make_gelu_gradient(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 2 && outputs.size() == 1, "gelu_gradient takes g and gelu's derivative and gives dx");
  require_alike(inputs[0], outputs);
  require_alike(inputs[0], inputs);
  const View g = inputs[0], slope = inputs[1], dx = outputs[0];
  return pass(dx, 0.2, context, [=](std::int64_t i, const Tail& tail) {
    floats row[1], factor[1];
    load_row(g.data, g.dtype, i, tail, row);
    load_row(slope.data, slope.dtype, i, tail, factor);
    row[0] *= factor[0];
    store_row(dx.data, dx.dtype, i, tail, row);
  });
}

}  // namespace
REGISTER_IN_PLACE_KERNEL("gelu", make_gelu)
REGISTER_IN_PLACE_KERNEL("gelu_gradient", make_gelu_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

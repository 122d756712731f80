// Activations that take several primitives, in one pass: gelu(x) = x·Φ(x) and its derivative (Hendrycks and Gimpel
// 2016). Where a product makes the operand, its epilogue does the same (gemm_tile.hpp).
#include "../threads.hpp"
#include "gemm_output.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

constexpr double microseconds_per_number = 0.4e-3;

// y[i] = change(x[i], z[i]) for arrays of one shape, each float32 or bfloat16; z may be absent.
template <typename Change>
class Pass final : public Kernel {
 public:
  Pass(const View& x, const View& z, const View& y, const Change& change, int threads)
      : x_(x), z_(z), y_(y), change_(change) {
    parts_ = threads_for(static_cast<double>(y.size()) * microseconds_per_number, threads);
  }

  void run() override {
    parallel(parts_, [this](int part) {
      const Range range = share(y_.size(), part, parts_, 64);
      for (std::int64_t i = range.begin; i < range.end; i += lanes) {
        const Tail tail(std::min(lanes, range.end - i));
        floats x[1], z[1]{};
        load_row(x_.data, x_.dtype, i, tail, x);
        if (z_) load_row(z_.data, z_.dtype, i, tail, z);
        const floats y[1] = {change_(x[0], z[0])};
        store_row(y_.data, y_.dtype, i, tail, y);
      }
    });
  }

 private:
  View x_, z_, y_;
  Change change_;
  int parts_ = 1;
};

template <typename Change>
std::unique_ptr<Kernel> pass(Views inputs, Views outputs, const Context& context, const Change& change) {
  const View &x = inputs[0], z = inputs.size() > 1 ? inputs[1] : View{}, &y = outputs[0];
  require(is_float(x) && is_float(y) && x.shape == y.shape && (!z || (is_float(z) && z.shape == y.shape)),
          "gelu and its gradient take and give arrays of one shape, float32 or bfloat16");
  if (y.size() == 0) return nullptr;
  return std::make_unique<Pass<Change>>(x, z, y, change, context.threads);
}

std::unique_ptr<Kernel> make_gelu(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 1 && outputs.size() == 1, "gelu takes x and gives y");
  return pass(inputs, outputs, context, [](floats x, floats) { return gelu(x); });
}

std::unique_ptr<Kernel> make_gelu_gradient(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 2 && outputs.size() == 1, "gelu_gradient takes g and x and gives dx");
  return pass(inputs, outputs, context, [](floats g, floats x) { return g * gelu_derivative(x); });
}

}  // namespace
REGISTER_IN_PLACE_KERNEL("gelu", make_gelu)
REGISTER_IN_PLACE_KERNEL("gelu_gradient", make_gelu_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

// Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019; with weight_decay): one pass over every parameter of
// a step, in place, the work of all parameters cut into equal shares for the threads.
#include <algorithm>
#include <cmath>
#include <vector>

#include "../tail.hpp"
#include "../threads.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

struct Parameter {
  float* p;
  const void* gradient;
  Dtype gradient_dtype;
  float *m, *v;
  std::int64_t begin, end;  // its place in the numbers of all parameters
};

// The numbers of one step, in float32 as the formula has them.
struct Rates {
  float take_1, take_2;  // 1 - β₁, 1 - β₂
  float epsilon, alpha, decay;
};

class Adam final : public Kernel {
 public:
  Adam(const Attributes& attributes, Views inputs, Views outputs, const Context& context)
      : learning_rate_(inputs[0].as<float>()),
        correction_1_(inputs[1].as<float>()),
        correction_2_(inputs[2].as<float>()),
        weight_decay_(static_cast<float>(attributes.real("weight_decay", 0.0))) {
    rates_.take_1 = static_cast<float>(1.0 - attributes.real("beta_1", 0.9));
    rates_.take_2 = static_cast<float>(1.0 - attributes.real("beta_2", 0.999));
    rates_.epsilon = static_cast<float>(attributes.real("epsilon", 1e-7));
    const std::size_t count = (inputs.size() - 3) / 4;
    require(inputs.size() == 3 + 4 * count && outputs.size() == 3 * count,
            "adam takes p, gradient, m, v per parameter, and gives p, m, v");
    std::int64_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const View &p = inputs[3 + 4 * i], &g = inputs[4 + 4 * i], &m = inputs[5 + 4 * i], &v = inputs[6 + 4 * i];
      const View* const to = &outputs[3 * i];
      require(p.dtype == Dtype::float32 && m.dtype == Dtype::float32 && v.dtype == Dtype::float32,
              "adam: p, m and v must be float32");
      require(g.dtype == Dtype::float32 || g.dtype == Dtype::bfloat16, "adam: gradients must be float32 or bfloat16");
      require(g.size() == p.size() && m.size() == p.size() && v.size() == p.size(),
              "adam: p, gradient, m and v differ in size");
      require(to[0].data == p.data && to[1].data == m.data && to[2].data == v.data,
              "adam works in place: its outputs are p, m and v");
      parameters_.push_back({p.as<float>(), g.data, g.dtype, m.as<float>(), v.as<float>(), total, total + p.size()});
      total += p.size();
    }
    total_ = total;
    parts_ = threads_for(static_cast<double>(total) * 2e-4, context.threads);
  }

  void run() override {
    Rates rates = rates_;
    rates.alpha = *learning_rate_ * std::sqrt(*correction_2_) / *correction_1_;
    rates.decay = *learning_rate_ * weight_decay_;
    parallel(parts_, [this, &rates](int part) {
      const Range range = share(total_, part, parts_, 64);
      for (const Parameter& parameter : parameters_) {
        const std::int64_t begin = std::max(range.begin, parameter.begin) - parameter.begin;
        const std::int64_t end = std::min(range.end, parameter.end) - parameter.begin;
        if (begin >= end) continue;
        if (parameter.gradient_dtype == Dtype::float32)
          update(parameter, static_cast<const float*>(parameter.gradient), rates, begin, end);
        else
          update(parameter, static_cast<const bfloat16*>(parameter.gradient), rates, begin, end);
      }
    });
  }

 private:
  template <typename T>
  static void update(const Parameter& parameter, const T* gradient, const Rates& rates, std::int64_t begin,
                     std::int64_t end) {
    float *const p = parameter.p, *const m = parameter.m, *const v = parameter.v;
    const auto step = [&](std::int64_t i, const auto& at) __attribute__((always_inline)) {
      const floats g = at.load(gradient + i), old_m = at.load(m + i), old_v = at.load(v + i), old_p = at.load(p + i);
      const floats new_m = old_m + (g - old_m) * rates.take_1;
      const floats new_v = old_v + (g * g - old_v) * rates.take_2;
      const floats new_p = (old_p - old_p * rates.decay) - new_m * rates.alpha / (sqrt(new_v) + rates.epsilon);
      at.store(m + i, new_m);
      at.store(v + i, new_v);
      at.store(p + i, new_p);
    };
    std::int64_t i = begin;
    for (; i + lanes <= end; i += lanes) step(i, Whole{});
    if (i < end) step(i, Tail(end - i));
  }

  const float *learning_rate_, *correction_1_, *correction_2_;
  float weight_decay_;
  Rates rates_{};
  std::vector<Parameter> parameters_;
  std::int64_t total_ = 0;
  int parts_ = 1;
};

std::unique_ptr<Kernel> make_adam(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() >= 3,
          "adam takes learning_rate, correction_1, correction_2, then p, gradient, m, v per parameter");
  for (const View& scalar : inputs.first(3))
    require(scalar.dtype == Dtype::float32 && scalar.size() == 1,
            "adam: learning_rate and the corrections are float32 scalars");
  return std::make_unique<Adam>(attributes, inputs, outputs, context);
}

}  // namespace
REGISTER_IN_PLACE_KERNEL("adam", make_adam)
}  // namespace pellucid::PELLUCID_LEVEL

// Reductions over axes: sum, max, min, argmax.
//
// Axes that lie side by side are one; each such group is a pass over x seen as [outer, n, inner], the innermost group
// first. A pass cuts n into chunks at places that depend on the shape alone and reduces each in float32 (several
// vectors of partial results, so that errors grow with the chunk's fraction); chunks are combined in float64, in order.
// So a result depends neither on the number of threads nor on their speed.
#include <algorithm>

#include "../tail.hpp"
#include "../threads.hpp"
#include "../transpose.hpp"
#include "reader.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

struct Sum {
  static constexpr float identity = 0.0f;
  static floats combine(floats a, floats b) { return a + b; }
  static double combine(double a, double b) { return a + b; }
};
struct Max {
  static constexpr float identity = -infinity;
  static floats combine(floats a, floats b) { return maximum(a, b); }
  static double combine(double a, double b) { return a > b || a != a ? a : b; }
};
struct Min {
  static constexpr float identity = infinity;
  static floats combine(floats a, floats b) { return minimum(a, b); }
  static double combine(double a, double b) { return a < b || a != a ? a : b; }
};

template <typename Op, typename T>
floats load_tail(const T* x, std::int64_t count) {
  ints lane;
  for (std::int64_t i = 0; i < lanes; ++i) lane[i] = static_cast<std::int32_t>(i);
  return lane < static_cast<std::int32_t>(count) ? Tail(count).load(x) : splat(Op::identity);
}

template <typename Op, typename T>
float reduce_row(const T* x, std::int64_t n) {
  floats total = splat(Op::identity);
  std::int64_t i = 0;
  if (n >= 4 * lanes) {
    floats part[4];
    for (int k = 0; k < 4; ++k) part[k] = load(x + k * lanes);
    for (i = 4 * lanes; i + 4 * lanes <= n; i += 4 * lanes)
      for (int k = 0; k < 4; ++k) part[k] = Op::combine(part[k], load(x + i + k * lanes));
    total = Op::combine(Op::combine(part[0], part[1]), Op::combine(part[2], part[3]));
  }
  for (; i + lanes <= n; i += lanes) total = Op::combine(total, load(x + i));
  if (i < n) total = Op::combine(total, load_tail<Op>(x + i, n - i));
  return across_lanes(total, [](floats a, floats b) { return Op::combine(a, b); })[0];
}

// y[j] = the reduction of x[i, j] over i.
template <typename Op, typename T>
void reduce_columns(const T* x, float* y, std::int64_t n, std::int64_t inner) {
  std::int64_t j = 0;
  for (; j + 4 * lanes <= inner; j += 4 * lanes) {
    floats part[4];
    for (int k = 0; k < 4; ++k) part[k] = splat(Op::identity);
    for (std::int64_t i = 0; i < n; ++i)
      for (int k = 0; k < 4; ++k) part[k] = Op::combine(part[k], load(x + i * inner + j + k * lanes));
    for (int k = 0; k < 4; ++k) store(y + j + k * lanes, part[k]);
  }
  for (; j < inner; j += lanes) {
    const Tail tail(std::min(lanes, inner - j));
    floats even = splat(Op::identity), odd = even;
    std::int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
      even = Op::combine(even, tail.load(x + i * inner + j));
      odd = Op::combine(odd, tail.load(x + (i + 1) * inner + j));
    }
    if (i < n) even = Op::combine(even, tail.load(x + i * inner + j));
    tail.store(y + j, Op::combine(even, odd));
  }
}

template <typename Op, typename T>
class Pass final : public Kernel {
 public:
  Pass(const T* x, float* y, std::int64_t outer, std::int64_t n, std::int64_t inner, int threads)
      : x_(x), y_(y), outer_(outer), n_(n), inner_(inner), chunk_(inner == 1 ? 2048 : 64) {
    chunks_ = std::max<std::int64_t>(1, (n + chunk_ - 1) / chunk_);
    if (chunks_ > 1) partial_.resize(static_cast<std::size_t>(outer * chunks_ * inner));
    parts_ = threads_for(static_cast<double>(outer * n * inner) * 0.1e-3, threads);
  }

  void run() override {
    float* const target = chunks_ > 1 ? partial_.data() : y_;
    parallel(parts_, [&](int part) {
      const Range range = share(outer_ * chunks_, part, parts_);
      for (std::int64_t unit = range.begin; unit < range.end; ++unit) {
        const std::int64_t begin = unit % chunks_ * chunk_, count = std::min(chunk_, n_ - begin);
        const T* const x = x_ + (unit / chunks_ * n_ + begin) * inner_;
        if (inner_ == 1)
          target[unit] = reduce_row<Op>(x, count);
        else
          reduce_columns<Op>(x, target + unit * inner_, count, inner_);
      }
    });
    if (chunks_ > 1) combine();
  }

 private:
  void combine() {
    for (std::int64_t o = 0; o < outer_; ++o)
      for (std::int64_t j = 0; j < inner_; ++j) {
        double total = Op::identity;
        for (std::int64_t c = 0; c < chunks_; ++c)
          total = Op::combine(total, double{partial_[static_cast<std::size_t>((o * chunks_ + c) * inner_ + j)]});
        y_[o * inner_ + j] = static_cast<float>(total);
      }
  }

  const T* x_;
  float* y_;
  std::int64_t outer_, n_, inner_, chunk_, chunks_;
  int parts_;
  std::vector<float> partial_;
};

// The index of the first largest number; a NaN is larger than all.
class Argmax final : public Kernel {
 public:
  Argmax(const float* x, std::int32_t* y, std::int64_t outer, std::int64_t n, std::int64_t inner, int threads)
      : x_(x), y_(y), outer_(outer), n_(n), inner_(inner) {
    parts_ = threads_for(static_cast<double>(outer * n * inner) * 1e-3, threads);
  }

  void run() override {
    parallel(parts_, [&](int part) {
      const Range range = share(outer_ * inner_, part, parts_);
      for (std::int64_t at = range.begin; at < range.end; ++at) {
        const float* const x = x_ + at / inner_ * n_ * inner_ + at % inner_;
        float best = x[0];
        std::int64_t index = 0;
        for (std::int64_t i = 1; i < n_ && best == best; ++i) {
          const float value = x[i * inner_];
          if (!(value <= best)) best = value, index = i;
        }
        y_[at] = static_cast<std::int32_t>(index);
      }
    });
  }

 private:
  const float* x_;
  std::int32_t* y_;
  std::int64_t outer_, n_, inner_;
  int parts_;
};

// The passes in order, the first of float32 or bfloat16: x of another dtype is converted to float32 before, and a
// result of another one from it after.
struct Reduction final : Kernel {
  void run() override {
    if (reader) reader->read(converted.data(), 0, static_cast<std::int64_t>(converted.size()) - lanes);
    for (const std::unique_ptr<Kernel>& pass : passes) pass->run();
    if (!result.empty())
      with_type(y.dtype, [&](auto type) {
        using T = decltype(type);
        for (std::size_t i = 0; i < result.size(); ++i) y.as<T>()[i] = convert<T>(result[i]);
      });
  }

  View y;
  std::unique_ptr<Reader> reader;
  std::vector<float> converted, result;
  std::vector<std::vector<float>> between;
  std::vector<std::unique_ptr<Kernel>> passes;
};

struct Group {
  std::int64_t extent;
  bool reduced;
};

std::vector<Group> groups_of(const Shape& shape, const std::vector<std::int64_t>& axes) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(i)) != axes.end();
    if (!groups.empty() && groups.back().reduced == reduced)
      groups.back().extent *= shape[i];
    else
      groups.push_back({shape[i], reduced});
  }
  return groups;
}

void check(const Attributes& attributes, Views inputs, Views outputs) {
  require(inputs.size() == 1 && inputs[0] && outputs.size() == 1, "takes x and gives y");
  const std::vector<std::int64_t> axes = attributes.integers("axes");
  const std::int64_t keepdims = attributes.integer("keepdims", 0);
  Shape expected;
  std::size_t next = 0;
  for (std::size_t i = 0; i < inputs[0].rank(); ++i) {
    const bool reduced = next < axes.size() && axes[next] == static_cast<std::int64_t>(i);
    if (reduced) ++next;
    if (!reduced || keepdims != 0) expected.push_back(reduced ? 1 : inputs[0].shape[i]);
  }
  require(next == axes.size(), "axes must be ascending and inside the shape");
  if (outputs[0].shape != expected)
    refuse("y has shape " + shape_text(outputs[0].shape) + " where " + shape_text(expected) + " is needed");
}

const float* as_floats(Reduction& reduction, const View& x) {
  if (x.dtype == Dtype::float32) return x.as<const float>();
  reduction.converted.resize(static_cast<std::size_t>(x.size() + lanes));
  reduction.reader = std::make_unique<Reader>(x, x.shape);
  return reduction.converted.data();
}

template <typename Op>
std::unique_ptr<Kernel> make(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  check(attributes, inputs, outputs);
  const View &x = inputs[0], &y = outputs[0];
  if (y.size() == 0) return nullptr;
  require(x.size() > 0 || Op::identity == 0.0f, "x is empty: it has no largest or smallest element");
  auto reduction = std::make_unique<Reduction>();
  reduction->y = y;
  const bool half = x.dtype == Dtype::bfloat16;
  const float* source = half ? nullptr : as_floats(*reduction, x);
  float* last = y.as<float>();
  if (y.dtype != Dtype::float32) {
    reduction->result.resize(static_cast<std::size_t>(y.size()));
    last = reduction->result.data();
  }
  std::vector<Group> groups = groups_of(x.shape, attributes.integers("axes"));
  std::int64_t left = std::count_if(groups.begin(), groups.end(), [](const Group& g) { return g.reduced; });
  if (left == 0) groups.push_back({1, true}), left = 1;  // no axes: a copy
  for (std::size_t k = groups.size(); k-- > 0;) {
    if (!groups[k].reduced) continue;
    std::int64_t outer = 1, inner = 1;
    for (std::size_t i = 0; i < k; ++i) outer *= groups[i].extent;
    for (std::size_t i = k + 1; i < groups.size(); ++i) inner *= groups[i].extent;
    float* target = last;
    if (--left > 0) target = reduction->between.emplace_back(static_cast<std::size_t>(outer * inner)).data();
    const auto pass = [&](auto* from) -> std::unique_ptr<Kernel> {
      using T = std::remove_cvref_t<decltype(*from)>;
      return std::make_unique<Pass<Op, T>>(from, target, outer, groups[k].extent, inner, context.threads);
    };
    reduction->passes.push_back(half && !source ? pass(x.as<const bfloat16>()) : pass(source));
    source = target;
    groups[k].extent = 1;
  }
  if (reduction->passes.size() == 1 && !reduction->reader && reduction->result.empty())
    return std::move(reduction->passes[0]);
  return reduction;
}

std::unique_ptr<Kernel> make_sum(const Attributes& a, Views inputs, Views outputs, const Context& c) {
  return make<Sum>(a, inputs, outputs, c);
}
std::unique_ptr<Kernel> make_max(const Attributes& a, Views inputs, Views outputs, const Context& c) {
  return make<Max>(a, inputs, outputs, c);
}
std::unique_ptr<Kernel> make_min(const Attributes& a, Views inputs, Views outputs, const Context& c) {
  return make<Min>(a, inputs, outputs, c);
}

std::unique_ptr<Kernel> make_argmax(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  check(attributes, inputs, outputs);
  const View &x = inputs[0], &y = outputs[0];
  require(y.dtype == Dtype::int32, "y is int32");
  if (y.size() == 0) return nullptr;
  require(x.size() > 0, "x is empty: it has no largest element");
  const std::vector<Group> groups = groups_of(x.shape, attributes.integers("axes"));
  std::int64_t outer = 1, n = 1, inner = 1;
  bool found = false;
  for (const Group& group : groups) {
    require(!group.reduced || !found, "the axes of argmax lie side by side");
    if (group.reduced)
      n = group.extent, found = true;
    else
      (found ? inner : outer) *= group.extent;
  }
  auto reduction = std::make_unique<Reduction>();
  const float* source = as_floats(*reduction, x);
  reduction->passes.push_back(std::make_unique<Argmax>(source, y.as<std::int32_t>(), outer, n, inner, context.threads));
  return reduction;
}

}  // namespace
REGISTER_KERNEL("sum", make_sum)
REGISTER_KERNEL("max", make_max)
REGISTER_KERNEL("min", make_min)
REGISTER_KERNEL("argmax", make_argmax)
}  // namespace pellucid::PELLUCID_LEVEL

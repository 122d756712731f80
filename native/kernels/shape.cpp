// Kernels that only move elements: transpose, broadcast_to, concatenate, slice, pad, flip. They know the size of an
// element, not its meaning.
//
// All are one loop nest: element (i₀, i₁, …) goes from Σ iₖ·from_strideₖ to Σ iₖ·to_strideₖ.
#include <algorithm>
#include <cstring>

#include "../threads.hpp"
#include "../transpose.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

struct Axis {
  std::int64_t extent, from, to;  // strides in elements
};

// Axes innermost first; neighbours that move together become one; the innermost is the one written contiguously.
std::vector<Axis> merged(const std::vector<Axis>& axes) {
  std::vector<Axis> result;
  for (const Axis& axis : axes) {
    if (axis.extent == 1) continue;
    if (!result.empty() && axis.from == result.back().from * result.back().extent &&
        axis.to == result.back().to * result.back().extent)
      result.back().extent *= axis.extent;
    else
      result.push_back(axis);
  }
  if (result.empty()) result.push_back({1, 1, 1});
  return result;
}

// A vector of elements as it is, 16 bits in the lower half of 32.
floats load_bits(const std::uint32_t* p) {
  floats x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
floats load_bits(const std::uint16_t* p) {
  halves x;
  std::memcpy(&x, p, sizeof x);
  return reinterpret_cast<floats>(to_words(x));
}
void store_bits(std::uint32_t* p, floats x) { std::memcpy(p, &x, sizeof x); }
void store_bits(std::uint16_t* p, floats x) {
  const halves y = __builtin_convertvector(reinterpret_cast<words>(x), halves);
  std::memcpy(p, &y, sizeof y);
}

template <typename T>
class Move final : public Kernel {
 public:
  // Clears `zeroed` bytes from `zero` on first.
  Move(const void* from, void* to, const std::vector<Axis>& axes, void* zero, std::size_t zeroed, int threads)
      : from_(static_cast<const T*>(from)),
        to_(static_cast<T*>(to)),
        axes_(merged(axes)),
        zero_(zero),
        zeroed_(zeroed) {
    // Two inner axes are tiles: of a transposition, so that reads and writes both stay in few cache lines.
    while (axes_.size() < 2) axes_.push_back({1, 0, 0});
    for (std::size_t i = 2; i < axes_.size(); ++i) outer_ *= axes_[i].extent;
    rows_ = outer_ * axes_[1].extent;
    const double bytes = static_cast<double>(rows_ * axes_[0].extent) * sizeof(T) * 2;
    parts_ = threads_for(bytes / 10000, threads);
  }

  void run() override {
    if (zeroed_ > 0) std::memset(zero_, 0, zeroed_);
    parallel(parts_, [&](int part) {
      const Range range = share(rows_, part, parts_, tile);
      for (std::int64_t row = range.begin; row < range.end;) {
        const std::int64_t in_outer = row % axes_[1].extent;
        const std::int64_t rows = std::min(range.end - row, axes_[1].extent - in_outer);
        std::int64_t index = row / axes_[1].extent, from = in_outer * axes_[1].from, to = in_outer * axes_[1].to;
        for (std::size_t i = 2; i < axes_.size(); ++i) {
          from += index % axes_[i].extent * axes_[i].from;
          to += index % axes_[i].extent * axes_[i].to;
          index /= axes_[i].extent;
        }
        copy(from_ + from, to_ + to, rows);
        row += rows;
      }
    });
  }

 private:
  static constexpr std::int64_t tile = 16;

  void copy(const T* from, T* to, std::int64_t rows) const {
    const Axis inner = axes_[0], outer = axes_[1];
    if (inner.from == 1 && inner.to == 1) {
      for (std::int64_t r = 0; r < rows; ++r)
        std::memcpy(to + r * outer.to, from + r * outer.from, static_cast<std::size_t>(inner.extent) * sizeof(T));
    } else if (inner.from == 0 && inner.to == 1) {
      for (std::int64_t r = 0; r < rows; ++r) std::fill_n(to + r * outer.to, inner.extent, from[r * outer.from]);
    } else {
      for (std::int64_t r = 0; r < rows; r += tile)
        for (std::int64_t i = 0; i < inner.extent; i += tile)
          copy_tile(from + r * outer.from + i * inner.from, to + r * outer.to + i * inner.to, std::min(tile, rows - r),
                    std::min(tile, inner.extent - i));
    }
  }

  void copy_tile(const T* from, T* to, std::int64_t rows, std::int64_t columns) const {
    const Axis inner = axes_[0], outer = axes_[1];
    if constexpr (sizeof(T) > 1) {
      if (inner.to == 1 && outer.from == 1 && rows == tile && columns == tile) {
        for (std::int64_t r = 0; r < tile; r += lanes)
          for (std::int64_t i = 0; i < tile; i += lanes) {  // a transposition in registers
            floats square[lanes];
            for (std::int64_t k = 0; k < lanes; ++k) square[k] = load_bits(from + r + (i + k) * inner.from);
            transpose(square);
            for (std::int64_t k = 0; k < lanes; ++k) store_bits(to + (r + k) * outer.to + i, square[k]);
          }
        return;
      }
    }
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t i = 0; i < columns; ++i)
        to[r * outer.to + i * inner.to] = from[r * outer.from + i * inner.from];
  }

  const T* from_;
  T* to_;
  std::vector<Axis> axes_;
  void* zero_;
  std::size_t zeroed_;
  std::int64_t outer_ = 1, rows_ = 0;
  int parts_ = 1;
};

// `from` and `to` are element offsets; `zero` clears y first. Null if there is nothing to do.
std::unique_ptr<Kernel> move(const View& x, const View& y, std::int64_t from, std::int64_t to,
                             const std::vector<Axis>& axes, bool zero, const Context& context) {
  const std::size_t item = item_size(x.dtype), zeroed = zero ? y.bytes() : 0;
  std::vector<Axis> list = axes;
  for (const Axis& axis : axes)
    if (axis.extent == 0) {
      if (zeroed == 0) return nullptr;
      list = {{0, 0, 0}};
    }
  const auto* source = x.as<const std::byte>() + static_cast<std::size_t>(from) * item;
  auto* target = y.as<std::byte>() + static_cast<std::size_t>(to) * item;
  switch (item) {
    case 1: return std::make_unique<Move<std::uint8_t>>(source, target, list, y.data, zeroed, context.threads);
    case 2: return std::make_unique<Move<std::uint16_t>>(source, target, list, y.data, zeroed, context.threads);
    default: return std::make_unique<Move<std::uint32_t>>(source, target, list, y.data, zeroed, context.threads);
  }
}

std::vector<std::int64_t> strides_of(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

void require_one_to_one(Views inputs, Views outputs) {
  require(inputs.size() == 1 && inputs[0] && outputs.size() == 1, "takes x and gives y");
  require(inputs[0].dtype == outputs[0].dtype, "x and y have one dtype");
}

struct Several final : Kernel {
  void run() override {
    for (const std::unique_ptr<Kernel>& kernel : kernels) kernel->run();
  }
  std::vector<std::unique_ptr<Kernel>> kernels;
};

std::unique_ptr<Kernel> make_transpose(const Attributes& attributes, Views inputs, Views outputs,
                                       const Context& context) {
  require_one_to_one(inputs, outputs);
  const std::vector<std::int64_t> order = attributes.integers("axes");
  const View &x = inputs[0], &y = outputs[0];
  require(order.size() == x.rank() && y.rank() == x.rank(), "axes names every axis of x once");
  const std::vector<std::int64_t> from = strides_of(x.shape), to = strides_of(y.shape);
  std::vector<bool> seen(x.rank());
  std::vector<Axis> axes;
  for (std::size_t i = y.rank(); i-- > 0;) {
    const std::int64_t k = order[i];
    require(k >= 0 && k < static_cast<std::int64_t>(x.rank()) && !seen[k], "axes names every axis of x once");
    require(x.shape[k] == y.shape[i], "y has the shape of x with its axes in the new order");
    seen[k] = true;
    axes.push_back({y.shape[i], from[k], to[i]});
  }
  return move(x, y, 0, 0, axes, false, context);
}

std::unique_ptr<Kernel> make_broadcast_to(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require_one_to_one(inputs, outputs);
  const View &x = inputs[0], &y = outputs[0];
  require(x.rank() <= y.rank(), "x does not broadcast to y");
  const std::vector<std::int64_t> from = strides_of(x.shape), to = strides_of(y.shape);
  std::vector<Axis> axes;
  for (std::size_t i = y.rank(); i-- > 0;) {
    const bool added = i < y.rank() - x.rank();
    const std::size_t k = i - (y.rank() - x.rank());
    require(added || x.shape[k] == y.shape[i] || x.shape[k] == 1, "x does not broadcast to y");
    axes.push_back({y.shape[i], added || x.shape[k] == 1 ? 0 : from[k], to[i]});
  }
  return move(x, y, 0, 0, axes, false, context);
}

std::unique_ptr<Kernel> make_concatenate(const Attributes& attributes, Views inputs, Views outputs,
                                         const Context& context) {
  require(!inputs.empty() && outputs.size() == 1, "takes one or more operands and gives y");
  const View& y = outputs[0];
  const std::int64_t axis = attributes.integer("axis");
  require(axis >= 0 && axis < static_cast<std::int64_t>(y.rank()), "axis lies outside the shape");
  std::int64_t inner = 1, outer = 1, at = 0;
  for (std::size_t i = axis + 1; i < y.rank(); ++i) inner *= y.shape[i];
  for (std::int64_t i = 0; i < axis; ++i) outer *= y.shape[i];
  auto all = std::make_unique<Several>();
  for (const View& x : inputs) {
    require(x && x.dtype == y.dtype && x.rank() == y.rank(), "operands have the dtype and rank of y");
    Shape expected = y.shape;
    expected[axis] = x.shape[axis];
    require(x.shape == expected, "operands differ from y along the axis only");
    const std::int64_t own = x.shape[axis] * inner;
    auto part = move(x, y, 0, at * inner, {{own, 1, 1}, {outer, own, y.shape[axis] * inner}}, false, context);
    if (part) all->kernels.push_back(std::move(part));
    at += x.shape[axis];
  }
  require(at == y.shape[axis], "the operands fill y along the axis");
  return all;
}

std::unique_ptr<Kernel> make_slice(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  require_one_to_one(inputs, outputs);
  const View &x = inputs[0], &y = outputs[0];
  const auto start = attributes.integers("start"), stop = attributes.integers("stop"),
             step = attributes.integers("step");
  require(y.rank() == x.rank() && start.size() == x.rank() && stop.size() == x.rank() && step.size() == x.rank(),
          "start, stop and step have one number per axis");
  const std::vector<std::int64_t> from = strides_of(x.shape), to = strides_of(y.shape);
  std::vector<Axis> axes;
  std::int64_t offset = 0;
  for (std::size_t i = x.rank(); i-- > 0;) {
    require(step[i] >= 1 && start[i] >= 0 && start[i] <= stop[i] && stop[i] <= x.shape[i],
            "0 <= start <= stop <= the extent, and step >= 1");
    require(y.shape[i] == (stop[i] - start[i] + step[i] - 1) / step[i], "y has the shape of the slice");
    axes.push_back({y.shape[i], from[i] * step[i], to[i]});
    offset += start[i] * from[i];
  }
  return move(x, y, offset, 0, axes, false, context);
}

std::unique_ptr<Kernel> make_pad(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  require_one_to_one(inputs, outputs);
  const View &x = inputs[0], &y = outputs[0];
  const auto before = attributes.integers("before"), step = attributes.integers("step");
  require(y.rank() == x.rank() && before.size() == x.rank() && step.size() == x.rank(),
          "before and step have one number per axis");
  const std::vector<std::int64_t> from = strides_of(x.shape), to = strides_of(y.shape);
  std::vector<Axis> axes;
  std::int64_t offset = 0;
  for (std::size_t i = x.rank(); i-- > 0;) {
    require(step[i] >= 1 && before[i] >= 0, "before >= 0 and step >= 1");
    require(x.shape[i] == 0 || before[i] + (x.shape[i] - 1) * step[i] < y.shape[i], "x lies inside y");
    axes.push_back({x.shape[i], from[i], to[i] * step[i]});
    offset += before[i] * to[i];
  }
  return move(x, y, 0, offset, axes, true, context);
}

std::unique_ptr<Kernel> make_flip(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  require_one_to_one(inputs, outputs);
  const View &x = inputs[0], &y = outputs[0];
  require(x.shape == y.shape, "y has the shape of x");
  std::vector<std::int64_t> from = strides_of(x.shape);
  const std::vector<std::int64_t> to = from;
  std::int64_t offset = 0;
  for (const std::int64_t axis : attributes.integers("axes")) {
    require(axis >= 0 && axis < static_cast<std::int64_t>(x.rank()) && from[axis] > 0, "axes names axes of x once");
    offset += (x.shape[axis] - 1) * from[axis];
    from[axis] = -from[axis];
  }
  std::vector<Axis> axes;
  for (std::size_t i = x.rank(); i-- > 0;) axes.push_back({x.shape[i], from[i], to[i]});
  return move(x, y, offset, 0, axes, false, context);
}

}  // namespace
REGISTER_KERNEL("transpose", make_transpose)
REGISTER_KERNEL("broadcast_to", make_broadcast_to)
REGISTER_KERNEL("concatenate", make_concatenate)
REGISTER_KERNEL("slice", make_slice)
REGISTER_KERNEL("pad", make_pad)
REGISTER_KERNEL("flip", make_flip)
}  // namespace pellucid::PELLUCID_LEVEL

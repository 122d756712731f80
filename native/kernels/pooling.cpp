// Pooling of channels-last images over one or two spatial axes: max_pool, average_pool and their gradients.
//
// One pass each: vectors run over the channels, and what a window covers of the image is read where it lies, so that no
// padded copy is made. A gradient gives each window's g to the elements of that window; where windows do not overlap
// every element of dx is written once, else the windows of an image are added up in order, by one thread.
// Images and windows of one axis are taken as images and windows of height 1.
#include <algorithm>
#include <type_traits>

#include "../tail.hpp"
#include "../threads.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

// Windows along one spatial axis.
struct Axis {
  std::int64_t size = 1, window = 1, stride = 1, before = 0, outputs = 1;

  Range covered(std::int64_t output) const {
    const std::int64_t begin = output * stride - before;
    return {std::max<std::int64_t>(begin, 0), std::min(begin + window, size)};
  }
  bool overlap() const { return stride < window; }
  // Every element lies in one window exactly.
  bool tiles() const { return stride == window && before == 0 && size == outputs * window; }
};

struct Geometry {
  std::int64_t images, channels;
  Axis rows, columns;

  std::int64_t image_size() const { return rows.size * columns.size * channels; }
  std::int64_t pooled_size() const { return rows.outputs * columns.outputs * channels; }
};

// Of an image x and its pooled y.
Geometry geometry_of(const Attributes& attributes, const View& x, const View& y) {
  const auto window = attributes.integers("window"), strides = attributes.integers("strides"),
             padding = attributes.integers("padding");
  const std::size_t rank = window.size();
  require((rank == 1 || rank == 2) && strides.size() == rank && padding.size() == 2 * rank,
          "window and strides have one number, padding two, for each of 1 or 2 spatial axes");
  require(x.rank() == rank + 2 && y.rank() == rank + 2, "images have a batch, spatial axes and channels");
  require(x.shape.front() == y.shape.front() && x.shape.back() == y.shape.back(),
          "pooling keeps the batch and the channels");
  Geometry geometry{x.shape.front(), x.shape.back(), {}, {}};
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t before = padding[2 * i], after = padding[2 * i + 1];
    const Axis axis{x.shape[i + 1], window[i], strides[i], before, y.shape[i + 1]};
    require(window[i] >= 1 && strides[i] >= 1, "window and strides are at least 1");
    require(before >= 0 && after >= 0 && before < window[i] && after < window[i], "padding is smaller than the window");
    require(axis.size + before + after >= window[i] &&
                axis.outputs == (axis.size + before + after - window[i]) / strides[i] + 1,
            "the pooled image has one element for each window");
    (i + 1 == rank ? geometry.columns : geometry.rows) = axis;
  }
  return geometry;
}

// What a window covers of an image: height x width elements, `pitch` numbers from one row to the next. A `side` that is
// not 0 is both, known to the compiler.
struct Covered {
  std::int64_t height, width, pitch;
};

template <int side, typename Visit>
[[gnu::always_inline]] inline void each(const Covered& covered, std::int64_t channels, const Visit& visit) {
  const std::int64_t height = side ? side : covered.height, width = side ? side : covered.width;
  for (std::int64_t i = 0; i < height; ++i)
    for (std::int64_t j = 0; j < width; ++j) visit(i * covered.pitch + j * channels);
}

struct Max {
  static constexpr bool reads_image = true;  // to know which element was the largest

  template <int side, typename X, typename Lanes>
  static floats pool(const X* x, const Covered& covered, std::int64_t channels, Lanes use) {
    return largest_of<side>(covered, channels, [&](std::int64_t at) { return use.load(x + at); });
  }

  // give(at, part) for every element of the window.
  template <int side, typename X, typename Lanes, typename Give>
  static void spread(const X* x, floats g, bool positive, const Covered& covered, std::int64_t channels, Lanes use,
                     const Give& give) {
    floats kept[side ? side * side : 1];  // in registers, since what is given may for the compiler lie over x
    if constexpr (side > 0) {
      std::int64_t k = 0;
      each<side>(covered, channels, [&](std::int64_t at) { kept[k++] = use.load(x + at); });
    }
    std::int64_t k = 0;
    const auto element = [&](std::int64_t at) { return side ? kept[k++] : use.load(x + at); };
    const floats largest = largest_of<side>(covered, channels, element), zero = splat(0.0f);
    floats left = positive ? (largest > 0.0f ? g : zero) : g;
    k = 0;
    each<side>(covered, channels, [&](std::int64_t at) {
      const ints chosen = element(at) == largest;
      give(at, chosen ? left : zero);
      left = chosen ? zero : left;
    });
  }

 private:
  template <int side, typename Element>
  [[gnu::always_inline]] static floats largest_of(const Covered& covered, std::int64_t channels,
                                                  const Element& element) {
    floats largest = splat(-infinity);
    ints numbers = largest == largest;
    each<side>(covered, channels, [&](std::int64_t at) {
      const floats next = element(at);
      numbers &= (largest >= next) | (largest < next);  // one comparison: whether both are numbers
      largest = largest > next ? largest : next;        // one instruction, which drops a NaN
    });
    return numbers ? largest : splat(not_a_number);
  }
};

struct Average {
  static constexpr bool reads_image = false;

  template <int side>
  static float share_of(const Covered& covered) {
    return 1.0f / static_cast<float>(side ? side * side : covered.height * covered.width);
  }

  template <int side, typename X, typename Lanes>
  static floats pool(const X* x, const Covered& covered, std::int64_t channels, Lanes use) {
    floats total = splat(0.0f);
    each<side>(covered, channels, [&](std::int64_t at) { total += use.load(x + at); });
    return total * share_of<side>(covered);
  }

  template <int side, typename X, typename Lanes, typename Give>
  static void spread(const X*, floats g, bool, const Covered& covered, std::int64_t channels, Lanes, const Give& give) {
    const floats part = g * share_of<side>(covered);
    each<side>(covered, channels, [&](std::int64_t at) { give(at, part); });
  }
};

// Calls f(lanes to use, first channel) for every vector of channels of a window. With `room`, what follows in the rows
// of both images is at least a vector and written later: then the last vector is a whole one too, which is quicker.
template <typename F>
[[gnu::always_inline]] inline void over_channels(std::int64_t channels, bool room, const F& f) {
  if (room)
    for (std::int64_t c = 0; c < channels; c += lanes) f(Whole{}, c);
  else
    over_vectors(channels, f);
}

// Calls f(side, offset of the image, offset of the pooled image, room) for the windows of one row of the output.
template <typename F>
[[gnu::always_inline]] inline void each_window(const Geometry& geometry, std::int64_t row, const F& f) {
  const std::int64_t channels = geometry.channels, pitch = geometry.columns.size * channels;
  const Range rows = geometry.rows.covered(row);
  for (std::int64_t j = 0; j < geometry.columns.outputs; ++j) {
    const Range columns = geometry.columns.covered(j);
    const Covered covered{rows.end - rows.begin, columns.end - columns.begin, pitch};
    const std::int64_t from = rows.begin * pitch + columns.begin * channels,
                       to = (row * geometry.columns.outputs + j) * channels;
    const bool room =
        std::min(geometry.columns.size - columns.end, geometry.columns.outputs - j - 1) * channels >= lanes;
    if (covered.height == 2 && covered.width == 2)
      f(std::integral_constant<int, 2>{}, covered, from, to, room);
    else
      f(std::integral_constant<int, 0>{}, covered, from, to, room);
  }
}

template <typename Rule, typename X, typename Y>
class Pool final : public Kernel {
 public:
  Pool(const Geometry& geometry, const View& x, const View& y, const Context& context)
      : geometry_(geometry), x_(x.as<const X>()), y_(y.as<Y>()) {
    parts_ = threads_for(static_cast<double>(x.bytes() + y.bytes()) / 10000, context.threads);
  }

  void run() override {
    const std::int64_t rows = geometry_.rows.outputs;
    parallel(parts_, [&](int part) {
      const Range range = share(geometry_.images * rows, part, parts_);
      for (std::int64_t at = range.begin; at < range.end; ++at) pool_row(at / rows, at % rows);
    });
  }

 private:
  void pool_row(std::int64_t image, std::int64_t row) const {
    const X* const x = x_ + image * geometry_.image_size();
    Y* const y = y_ + image * geometry_.pooled_size();
    const std::int64_t channels = geometry_.channels;
    each_window(geometry_, row, [&](auto side, const Covered& covered, std::int64_t from, std::int64_t to, bool room) {
      over_channels(channels, room, [&](auto use, std::int64_t c) {
        use.store(y + to + c, Rule::template pool<side>(x + from + c, covered, channels, use));
      });
    });
  }

  Geometry geometry_;
  const X* x_;
  Y* y_;
  int parts_;
};

template <typename Rule, typename X, typename G, typename D>
class PoolGradient final : public Kernel {
 public:
  // `positive`: what falls on elements that are not positive is dropped, the backward of a relu that made x.
  PoolGradient(const Geometry& geometry, const View& x, const View& g, const View& dx, bool positive,
               const Context& context)
      : geometry_(geometry), x_(x.as<const X>()), g_(g.as<const G>()), dx_(dx.as<D>()), positive_(positive) {
    overlap_ = geometry.rows.overlap() || geometry.columns.overlap();
    tiles_ = geometry.rows.tiles() && geometry.columns.tiles();
    parts_ = threads_for(static_cast<double>(x.bytes() + g.bytes() + dx.bytes()) / 10000, context.threads);
    if (overlap_ && !std::is_same_v<D, float>)
      sums_.resize(static_cast<std::size_t>(parts_ * geometry.image_size() + lanes));
  }

  void run() override {
    const std::int64_t rows = geometry_.rows.outputs;
    parallel(parts_, [&](int part) {
      if (overlap_) {
        const Range range = share(geometry_.images, part, parts_);
        for (std::int64_t image = range.begin; image < range.end; ++image) add_up(image, part);
      } else {
        const Range range = share(geometry_.images * rows, part, parts_);
        for (std::int64_t at = range.begin; at < range.end; ++at) write_row(at / rows, at % rows);
      }
    });
  }

 private:
  void write_row(std::int64_t image, std::int64_t row) const {
    D* const dx = dx_ + image * geometry_.image_size();
    if (!tiles_) {  // the band of rows that belongs to these windows, with what lies between them
      const Axis& rows = geometry_.rows;
      const std::int64_t pitch = geometry_.columns.size * geometry_.channels;
      const std::int64_t begin = row == 0 ? 0 : row * rows.stride - rows.before;
      const std::int64_t end = row + 1 == rows.outputs ? rows.size : (row + 1) * rows.stride - rows.before;
      std::memset(dx + begin * pitch, 0, static_cast<std::size_t>((end - begin) * pitch) * sizeof(D));
    }
    spread_row(image, row, dx, [](auto use, D* target, floats part) { use.store(target, part); });
  }

  // Several parts meet in one element: added in float32.
  void add_up(std::int64_t image, int part) {
    D* const dx = dx_ + image * geometry_.image_size();
    const std::int64_t size = geometry_.image_size();
    float* sums;
    if constexpr (std::is_same_v<D, float>)
      sums = dx;
    else
      sums = sums_.data() + part * size;
    std::memset(sums, 0, static_cast<std::size_t>(size) * sizeof(float));
    for (std::int64_t row = 0; row < geometry_.rows.outputs; ++row)
      spread_row(image, row, sums,
                 [](auto use, float* target, floats more) { use.store(target, use.load(target) + more); });
    if constexpr (!std::is_same_v<D, float>)
      over_vectors(size, [&](auto use, std::int64_t i) { use.store(dx + i, use.load(sums + i)); });
  }

  template <typename Target, typename Put>
  [[gnu::always_inline]] void spread_row(std::int64_t image, std::int64_t row, Target* dx, const Put& put) const {
    const X* const x = x_ + (Rule::reads_image ? image * geometry_.image_size() : 0);
    if (Rule::reads_image) fetch_row(x, row + 1);
    const G* const g = g_ + image * geometry_.pooled_size();
    const std::int64_t channels = geometry_.channels;
    // Of several vectors, the last one would reach into the next element's first, which is written already.
    const bool may_reach = tiles_ && channels <= lanes;
    each_window(geometry_, row, [&](auto side, const Covered& covered, std::int64_t from, std::int64_t to, bool room) {
      over_channels(channels, room && may_reach, [&](auto use, std::int64_t c) {
        Rule::template spread<side>(x + from + c, use.load(g + to + c), positive_, covered, channels, use,
                                    [&](std::int64_t at, floats part) { put(use, dx + from + c + at, part); });
      });
    });
  }

  // Asks for what the next row of windows covers: the processor foresees it badly, and takes three times as long.
  void fetch_row(const X* x, std::int64_t row) const {
    const std::int64_t pitch = geometry_.columns.size * geometry_.channels;
    const Range rows = geometry_.rows.covered(row);
    for (std::int64_t i = rows.begin * pitch; i < rows.end * pitch; i += 64 / static_cast<std::int64_t>(sizeof(X)))
      __builtin_prefetch(x + i);
  }

  Geometry geometry_;
  const X* x_;
  const G* g_;
  D* dx_;
  bool positive_, overlap_, tiles_;
  int parts_;
  std::vector<float> sums_;
};

template <typename Rule>
std::unique_ptr<Kernel> make_pool(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 1 && inputs[0] && outputs.size() == 1, "takes x and gives y");
  const View &x = inputs[0], &y = outputs[0];
  const Geometry geometry = geometry_of(attributes, x, y);
  return with_floats(x.dtype, [&](auto a) {
    return with_floats(y.dtype, [&](auto b) -> std::unique_ptr<Kernel> {
      if (y.size() == 0) return nullptr;
      return std::make_unique<Pool<Rule, decltype(a), decltype(b)>>(geometry, x, y, context);
    });
  });
}

template <typename Rule, typename X>
std::unique_ptr<Kernel> make_gradient(const Attributes& attributes, const View& x, const View& g, const View& dx,
                                      const Context& context) {
  const Geometry geometry = geometry_of(attributes, dx, g);
  const std::string mask = Rule::reads_image ? attributes.text("mask", "") : "";
  require(mask.empty() || mask == "relu", "mask must be \"\" or relu");
  return with_floats(g.dtype, [&](auto a) {
    return with_floats(dx.dtype, [&](auto b) -> std::unique_ptr<Kernel> {
      if (dx.size() == 0) return nullptr;
      return std::make_unique<PoolGradient<Rule, X, decltype(a), decltype(b)>>(geometry, x, g, dx, !mask.empty(),
                                                                               context);
    });
  });
}

std::unique_ptr<Kernel> make_max_pool(const Attributes& a, Views inputs, Views outputs, const Context& c) {
  return make_pool<Max>(a, inputs, outputs, c);
}
std::unique_ptr<Kernel> make_average_pool(const Attributes& a, Views inputs, Views outputs, const Context& c) {
  return make_pool<Average>(a, inputs, outputs, c);
}

std::unique_ptr<Kernel> make_max_pool_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                               const Context& context) {
  require(inputs.size() == 2 && inputs[0] && inputs[1] && outputs.size() == 1, "takes x and g and gives dx");
  require(inputs[0].shape == outputs[0].shape, "dx has the shape of x");
  return with_floats(inputs[0].dtype, [&](auto x) {
    return make_gradient<Max, decltype(x)>(attributes, inputs[0], inputs[1], outputs[0], context);
  });
}
std::unique_ptr<Kernel> make_average_pool_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                                   const Context& context) {
  require(inputs.size() == 1 && inputs[0] && outputs.size() == 1, "takes g and gives dx");
  return make_gradient<Average, float>(attributes, View{}, inputs[0], outputs[0], context);
}

}  // namespace
REGISTER_KERNEL("max_pool", make_max_pool)
REGISTER_KERNEL("average_pool", make_average_pool)
REGISTER_KERNEL("max_pool_gradient", make_max_pool_gradient)
REGISTER_KERNEL("average_pool_gradient", make_average_pool_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

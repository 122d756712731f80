// Images sampled at places between their pixels: affine_sample and its adjoint.
//
// The place of an output pixel is an affine function of its row and column, with six numbers for each example. It takes
// its nearest pixel or the four around it; what lies outside of the image is decided pixel by pixel, which few need.
// Grey images are sampled by vectors of neighbours in a row, others by vectors of channels.
#include <algorithm>
#include <cmath>

#include "../tail.hpp"
#include "../threads.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

enum class Fill { constant, nearest, reflect, wrap };

Fill fill_of(const std::string& name) {
  if (name == "constant") return Fill::constant;
  if (name == "nearest") return Fill::nearest;
  if (name == "reflect") return Fill::reflect;
  require(name == "wrap", "fill_mode is constant, nearest, reflect or wrap");
  return Fill::wrap;
}

// One pixel that a place takes, and how much of it.
struct Tap {
  std::int64_t at;
  float weight;
};

// At most two taps along one axis.
struct Along {
  Tap taps[2];
  int count;
};

// The same of a vector of places: where a tap counts, at which pixel, how much of it.
struct AlongLanes {
  ints counts[2], at[2];
  floats weight[2];
};

struct Sampler {
  std::int64_t images, channels;
  std::int64_t step;                     // from one example's six numbers to the next ones: 6, or 0 for one transform
  std::int64_t height, width;            // of the image
  std::int64_t made_height, made_width;  // of what is sampled
  bool bilinear;
  Fill fill;

  int taps() const { return bilinear ? 2 : 1; }  // along each axis
  std::int64_t image_size() const { return height * width * channels; }
  std::int64_t made_size() const { return made_height * made_width * channels; }

  // Calls f(offset of the made pixel, offsets and weights of the image's pixels, their number, weight of the outside).
  template <typename F>
  void each(const float* t, const F& f) const {
    for (std::int64_t i = 0; i < made_height; ++i)
      for (std::int64_t j = 0; j < made_width; ++j) {
        const float x = static_cast<float>(i), y = static_cast<float>(j);
        const Along rows = along(t[0] * x + t[1] * y + t[2], height);
        const Along columns = along(t[3] * x + t[4] * y + t[5], width);
        Tap taps[4];
        int count = 0;
        float outside = 1.0f;
        for (int r = 0; r < rows.count; ++r)
          for (int c = 0; c < columns.count; ++c) {
            const float weight = rows.taps[r].weight * columns.taps[c].weight;
            taps[count++] = {(rows.taps[r].at * width + columns.taps[c].at) * channels, weight};
            outside -= weight;
          }
        f((i * made_width + j) * channels, taps, count, fill == Fill::constant ? outside : 0.0f);
      }
  }

  // Calls f(row and first column of a vector of made pixels, taps along the rows, taps along the columns).
  template <typename F>
  void each_vector(const float* t, const F& f) const {
    floats column{};
    for (std::int64_t l = 0; l < lanes; ++l) column[l] = static_cast<float>(l);
    for (std::int64_t i = 0; i < made_height; ++i)
      for (std::int64_t j = 0; j < made_width; j += lanes) {
        const float x = static_cast<float>(i);
        const floats y = column + static_cast<float>(j);
        f(i, j, along(t[0] * x + t[1] * y + t[2], height), along(t[3] * x + t[4] * y + t[5], width));
      }
  }

 private:
  static constexpr float far = 1e9f;  // places beyond lie equally far outside; so does NaN

  AlongLanes along(floats place, std::int64_t size) const {
    place = place > -far ? place : splat(-far);
    place = place < far ? place : splat(far);
    AlongLanes result;
    const floats low = floor(place), beyond = place - low;
    result.at[0] = __builtin_convertvector(low, ints);
    if (bilinear) {
      result.at[1] = result.at[0] + 1;
      result.weight[0] = 1.0f - beyond, result.weight[1] = beyond;
    } else {
      result.at[0] -= (beyond > 0.5f) | ((beyond == 0.5f) & (place > 0.0f));  // halves away from zero; a truth is -1
      result.weight[0] = splat(1.0f);
    }
    for (int k = 0; k < taps(); ++k) fold(result.at[k], result.counts[k], static_cast<std::int32_t>(size));
    return result;
  }

  void fold(ints& at, ints& counts, std::int32_t size) const {
    const ints inside = (at >= 0) & (at < size);
    counts = fill == Fill::constant ? inside : splat(-1);
    if (fill == Fill::constant || fill == Fill::nearest) {
      at = at < 0 ? ints{} : at;
      at = at < size ? at : splat(size - 1);
    } else {
      for (std::int64_t l = 0; l < lanes; ++l)
        if (!inside[l]) at[l] = static_cast<std::int32_t>(folded(at[l], size));
    }
  }

  Along along(float place, std::int64_t size) const {
    place = place > -far ? std::min(place, far) : -far;
    Along result{{}, 0};
    if (bilinear) {
      const float low = std::floor(place);
      add(result, static_cast<std::int64_t>(low), 1.0f - (place - low), size);
      add(result, static_cast<std::int64_t>(low) + 1, place - low, size);
    } else {
      add(result, std::llround(place), 1.0f, size);
    }
    return result;
  }

  void add(Along& result, std::int64_t at, float weight, std::int64_t size) const {
    if (at < 0 || at >= size) {
      if (fill == Fill::constant) return;
      at = folded(at, size);
    }
    result.taps[result.count++] = {at, weight};
  }

  // The pixel that stands for one outside.
  std::int64_t folded(std::int64_t at, std::int64_t size) const {
    if (fill == Fill::nearest) return std::clamp<std::int64_t>(at, 0, size - 1);
    if (fill == Fill::wrap) return remainder(at, size);
    at = remainder(at, 2 * size);
    return at < size ? at : 2 * size - 1 - at;
  }

  static std::int64_t remainder(std::int64_t a, std::int64_t b) { return (a % b + b) % b; }
};

Sampler sampler_of(const Attributes& attributes, const View& x, const View& transform, const View& y) {
  require(x.rank() == 4 && y.rank() == 4, "images have a batch, height, width and channels");
  require(x.shape[0] == y.shape[0] && x.shape[3] == y.shape[3], "sampling keeps the batch and the channels");
  require(transform.dtype == Dtype::float32 && transform.rank() == 2 && transform.shape[1] == 6 &&
              (transform.shape[0] == x.shape[0] || transform.shape[0] == 1),
          "the transform has six float32 numbers for each example, or for all");
  require(std::min({x.shape[1], x.shape[2], y.shape[1], y.shape[2]}) >= 1, "an image has at least one pixel");
  const std::string interpolation = attributes.text("interpolation", "");
  require(interpolation == "bilinear" || interpolation == "nearest", "interpolation is bilinear or nearest");
  return {x.shape[0],
          x.shape[3],
          transform.shape[0] == 1 ? 0 : 6,
          x.shape[1],
          x.shape[2],
          y.shape[1],
          y.shape[2],
          interpolation == "bilinear",
          fill_of(attributes.text("fill_mode", ""))};
}

// Measured: places and taps, then the channels.
double microseconds(const Sampler& sampler) {
  return static_cast<double>(sampler.images * sampler.made_height * sampler.made_width) *
         (8e-3 + static_cast<double>(sampler.channels) * 0.2e-3);
}

// The numbers at places that count, else zero.
template <typename X>
floats gather(const X* x, ints at, ints counts) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<X, float>)
    return reinterpret_cast<floats>(_mm512_mask_i32gather_ps(_mm512_setzero_ps(),
                                                             _mm512_movepi32_mask(reinterpret_cast<__m512i>(counts)),
                                                             reinterpret_cast<__m512i>(at), x, sizeof *x));
#endif
  floats taken{};
  for (std::int64_t l = 0; l < lanes; ++l)
    if (counts[l]) taken[l] = to_float(x[at[l]]);
  return taken;
}

template <typename X, typename Y>
class AffineSample final : public Kernel {
 public:
  AffineSample(const Sampler& sampler, const View& x, const View& transform, const View& y, float fill_value,
               int threads)
      : sampler_(sampler),
        x_(x.as<const X>()),
        transform_(transform.as<const float>()),
        y_(y.as<Y>()),
        fill_value_(fill_value),
        parts_(threads_for(microseconds(sampler), threads)) {}

  void run() override {
    parallel(parts_, [&](int part) {
      const Range range = share(sampler_.images, part, parts_);
      for (std::int64_t image = range.begin; image < range.end; ++image)
        sampler_.channels == 1 ? sample_grey(image) : sample(image);
    });
  }

 private:
  void sample_grey(std::int64_t image) const {
    const Sampler& s = sampler_;
    const X* const x = x_ + image * s.image_size();
    Y* const y = y_ + image * s.made_size();
    s.each_vector(transform_ + image * s.step, [&](std::int64_t i, std::int64_t j, const AlongLanes& rows,
                                                   const AlongLanes& columns) {
      floats total{}, outside = splat(1.0f);
      for (int r = 0; r < s.taps(); ++r)
        for (int c = 0; c < s.taps(); ++c) {
          const ints counts = rows.counts[r] & columns.counts[c];
          const floats weight = counts ? rows.weight[r] * columns.weight[c] : floats{};
          total += weight * gather(x, rows.at[r] * static_cast<std::int32_t>(s.width) + columns.at[c], counts);
          outside -= weight;
        }
      if (s.fill == Fill::constant) total += outside * fill_value_;
      Y* const to = y + i * s.made_width + j;
      if (s.made_width - j >= lanes)
        store(to, total);
      else
        Tail(s.made_width - j).store(to, total);
    });
  }

  void sample(std::int64_t image) const {
    const X* const x = x_ + image * sampler_.image_size();
    Y* const y = y_ + image * sampler_.made_size();
    sampler_.each(transform_ + image * sampler_.step, [&](std::int64_t to, const Tap* taps, int count, float outside) {
      over_vectors(sampler_.channels, [&](auto use, std::int64_t c) {
        floats total = splat(outside * fill_value_);
        for (int k = 0; k < count; ++k) total += taps[k].weight * use.load(x + taps[k].at + c);
        use.store(y + to + c, total);
      });
    });
  }

  Sampler sampler_;
  const X* x_;
  const float* transform_;
  Y* y_;
  float fill_value_;
  int parts_;
};

class AffineSampleGradient final : public Kernel {
 public:
  AffineSampleGradient(const Sampler& sampler, const View& g, const View& transform, const View& dx, int threads)
      : sampler_(sampler),
        g_(g.as<const float>()),
        transform_(transform.as<const float>()),
        dx_(dx.as<float>()),
        parts_(threads_for(microseconds(sampler), threads)) {}

  void run() override {
    parallel(parts_, [&](int part) {
      const Range range = share(sampler_.images, part, parts_);
      for (std::int64_t image = range.begin; image < range.end; ++image) spread(image);
    });
  }

 private:
  void spread(std::int64_t image) const {
    const float* const g = g_ + image * sampler_.made_size();
    float* const dx = dx_ + image * sampler_.image_size();
    std::memset(dx, 0, static_cast<std::size_t>(sampler_.image_size()) * sizeof(float));
    sampler_.each(transform_ + image * sampler_.step, [&](std::int64_t from, const Tap* taps, int count, float) {
      for (int k = 0; k < count; ++k)
        over_vectors(sampler_.channels, [&](auto use, std::int64_t c) {
          float* const target = dx + taps[k].at + c;
          use.store(target, use.load(target) + taps[k].weight * use.load(g + from + c));
        });
    });
  }

  Sampler sampler_;
  const float *g_, *transform_;
  float* dx_;
  int parts_;
};

std::unique_ptr<Kernel> make_affine_sample(const Attributes& attributes, Views inputs, Views outputs,
                                           const Context& context) {
  require(inputs.size() == 2 && inputs[0] && inputs[1] && outputs.size() == 1, "takes x and a transform and gives y");
  const View &x = inputs[0], &transform = inputs[1], &y = outputs[0];
  const Sampler sampler = sampler_of(attributes, x, transform, y);
  const float fill_value = static_cast<float>(attributes.real("fill_value"));
  return with_floats(x.dtype, [&](auto from) {
    return with_floats(y.dtype, [&](auto to) -> std::unique_ptr<Kernel> {
      if (y.size() == 0) return nullptr;
      return std::make_unique<AffineSample<decltype(from), decltype(to)>>(sampler, x, transform, y, fill_value,
                                                                          context.threads);
    });
  });
}

std::unique_ptr<Kernel> make_affine_sample_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                                    const Context& context) {
  require(inputs.size() == 2 && inputs[0] && inputs[1] && outputs.size() == 1, "takes g and a transform and gives dx");
  const View &g = inputs[0], &transform = inputs[1], &dx = outputs[0];
  const Sampler sampler = sampler_of(attributes, dx, transform, g);
  require(g.dtype == Dtype::float32 && dx.dtype == Dtype::float32, "g and dx are float32");
  if (dx.size() == 0) return nullptr;
  return std::make_unique<AffineSampleGradient>(sampler, g, transform, dx, context.threads);
}

}  // namespace
REGISTER_KERNEL("affine_sample", make_affine_sample)
REGISTER_KERNEL("affine_sample_gradient", make_affine_sample_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

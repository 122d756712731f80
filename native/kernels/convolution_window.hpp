// Windows of images as the tiles read them: copies in units of 32 bits, with zeros beyond the edges.
#pragma once

#include "../threads.hpp"
#include "gemm_product.hpp"

namespace pellucid::PELLUCID_LEVEL {

// What a unit holds: an element as float32, or two bfloat16: of neighbouring channels (an odd last one with zero), or
// of one channel and two pixels of a row.
enum class Units : std::uint8_t { elements, channel_pairs, pixel_pairs };

class Window {
 public:
  Window() = default;
  // `distance`: from a pixel to the other one of its pair. `repeats`: of every element, for units that are elements.
  Window(const View& images, std::int64_t height, std::int64_t width, std::int64_t groups, Units units,
         std::int64_t distance = 0, std::int64_t repeats = 1)
      : data_(images.data),
        dtype_(images.dtype),
        height_(height),
        width_(width),
        groups_(groups),
        share_(images.shape.back() / groups),
        distance_(distance),
        repeats_(repeats),
        units_(units) {}

  std::int64_t group() const {
    return units_ == Units::channel_pairs ? (share_ + 1) / 2 : share_ * repeats_;
  }  // units of a group
  std::int64_t pixel() const { return groups_ * group(); }  // and of a pixel

  // Whether the units stand in memory as they are needed, short of zeros beyond the edges.
  bool as_stored() const {
    return units_ == Units::elements ? dtype_ == Dtype::float32 && repeats_ == 1
                                     : units_ == Units::channel_pairs && share_ % 2 == 0;
  }
  const float* stored(std::int64_t image, std::int64_t row, std::int64_t column) const {
    return static_cast<const float*>(data_) + ((image * height_ + row) * width_ + column) * pixel();
  }

  // Floats that `copy` needs besides its result, for windows of so many columns.
  std::int64_t scratch_size(std::int64_t columns) const {
    if (units_ == Units::pixel_pairs) return round_up((columns + distance_) * pixel() / 2 + 2 * lanes, lanes);
    return repeats_ > 1 ? columns * pixel() : 0;
  }

  // Rows and columns of an image, from `begin` on maybe before its edge, to rows at distance `pitch`.
  void copy(std::int64_t image, Range rows, Range columns, std::int64_t pitch, float* to, float* memory) const {
    for (std::int64_t row = rows.begin; row < rows.end; ++row, to += pitch) {
      if (row < 0 || row >= height_) {
        std::fill_n(to, (columns.end - columns.begin) * pixel(), 0.0f);
        continue;
      }
      const std::int64_t start = (image * height_ + row) * width_ * groups_ * share_;
      float* const first = repeats_ > 1 ? memory : to;
      if (dtype_ == Dtype::float32)
        place(static_cast<const float*>(data_) + start, columns, first);
      else
        copy_halves(static_cast<const bfloat16*>(data_) + start, columns, first, memory);
      if (repeats_ > 1)
        for (std::int64_t i = 0; i < (columns.end - columns.begin) * pixel(); ++i) to[i] = memory[i / repeats_];
    }
  }

 private:
  void copy_halves(const bfloat16* row, Range columns, float* to, float* memory) const {
    if (units_ == Units::elements) {
      place(row, columns, to);
    } else if (units_ == Units::pixel_pairs) {
      bfloat16* const first = reinterpret_cast<bfloat16*>(memory);
      place(row, {columns.begin, columns.end + distance_}, first);
      const bfloat16* const second = first + distance_ * share_ * groups_;
      const std::int64_t size = (columns.end - columns.begin) * pixel();
      over_vectors(size, [&](const auto& part, std::int64_t i) {
        part.store(to + i, join_pairs(part.load_halves(first + i), part.load_halves(second + i)));
      });
    } else if (share_ % 2 == 0) {
      place(row, columns, reinterpret_cast<bfloat16*>(to));
    } else {
      bfloat16* out = reinterpret_cast<bfloat16*>(to);
      for (std::int64_t column = columns.begin; column < columns.end; ++column) {
        const bool inside = column >= 0 && column < width_;
        for (std::int64_t g = 0; g < groups_; ++g, out += share_ + 1) {
          for (std::int64_t c = 0; c < share_; ++c) out[c] = inside ? row[(column * groups_ + g) * share_ + c] : 0;
          out[share_] = 0;
        }
      }
    }
  }

  // A row's elements with zeros around them.
  template <typename From, typename To>
  void place(const From* row, Range columns, To* to) const {
    const std::int64_t channels = groups_ * share_;
    const std::int64_t begin = std::clamp<std::int64_t>(columns.begin, 0, width_),
                       end = std::clamp<std::int64_t>(columns.end, begin, width_);
    const std::int64_t before = std::clamp<std::int64_t>(-columns.begin, 0, columns.end - columns.begin);
    to = std::fill_n(to, before * channels, To{});
    const From* const from = row + begin * channels;
    const std::int64_t size = (end - begin) * channels;
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(to, from, static_cast<std::size_t>(size) * sizeof(To));
    } else {
      std::int64_t i = 0;
      for (; i + lanes <= size; i += lanes) store(to + i, load(from + i));
      for (; i < size; ++i) to[i] = to_float(from[i]);
    }
    std::fill_n(to + size, (columns.end - columns.begin - before) * channels - size, To{});
  }

  const void* data_ = nullptr;
  Dtype dtype_ = Dtype::float32;
  std::int64_t height_ = 0, width_ = 0, groups_ = 1, share_ = 0, distance_ = 0, repeats_ = 1;
  Units units_ = Units::elements;
};

}  // namespace pellucid::PELLUCID_LEVEL

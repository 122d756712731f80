// The gradient of an input of few channels, which would fill only part of a vector: every position of g makes its
// products with a whole row of the kernel at once, taps and channels side by side, and these are added to the pixels
// on which they fall.
#pragma once

#include "../threads.hpp"
#include "convolution_shape.hpp"
#include "convolution_window.hpp"

namespace pellucid::PELLUCID_LEVEL {

class ConvolutionScatter final : public Kernel {
 public:
  ConvolutionScatter(const ConvolutionShape& shape, const View& g, const View& w, const Output& output, int threads)
      : shape_(shape), output_(output), w_{w.data, w.dtype, 1, shape.outputs} {
    const ConvolutionShape& s = shape_;
    pairs_ = has_pairs && g.dtype == Dtype::bfloat16 && w.dtype == Dtype::bfloat16;
    window_ = Window(g, s.height.output, s.width.output, 1, pairs_ ? Units::channel_pairs : Units::elements);
    pack_w_ = pack_function(pairs_, w.dtype);
    columns_ = s.width.kernel * s.inputs;
    depth_ = round_up(s.inputs, lanes);
    stride_ = round_up((s.width.kernel - 1) * s.inputs + depth_, lanes);  // pieces are read as whole vectors
    span_ = s.width.before + std::max(s.width.input, (s.width.output - 1) * s.width.stride +
                                                         (s.width.kernel - 1) * s.width.dilation + 1);
    at_once_ = std::clamp<std::int64_t>(positions / s.width.output, 1, s.height.output);

    const std::int64_t wanted = (2 * threads + s.batch - 1) / s.batch;
    block_ = std::clamp<std::int64_t>(sums_size / (span_ * depth_), 1, (s.height.input + wanted - 1) / wanted);
    blocks_ = (s.height.input + block_ - 1) / block_;
    const double results = static_cast<double>(s.batch * s.height.input * s.width.input * depth_);
    parts_ = threads_for(s.multiplications() / (4000.0 * static_cast<double>(lanes)) + results * 2e-4, threads);
    products_at_ = block_ * span_ * depth_;
    window_at_ = products_at_ + at_once_ * s.width.output * stride_;
    part_size_ = window_at_ + (window_.as_stored() ? 0 : at_once_ * s.width.output * window_.pixel());
    part_size_ = round_up(part_size_, lanes);
    memory_ = scratch(parts_ * part_size_);
    packed_row_ = window_.pixel() * round_up(columns_, lanes);
    packed_ = scratch(s.height.kernel * packed_row_);
  }

  // Whether this takes fewer vector operations than the product of `convolution_product.hpp`.
  static bool takes(const ConvolutionShape& s) {
    const auto vectors = [](std::int64_t n) { return static_cast<double>((n + lanes - 1) / lanes); };
    const double meetings = static_cast<double>(s.height.input * s.width.input * s.taps()) /
                            static_cast<double>(s.height.stride * s.width.stride);
    const double positions_of_g = static_cast<double>(s.height.output * s.width.output);
    const double filters = static_cast<double>(s.outputs);
    const double here =
        positions_of_g * (filters * static_cast<double>(s.height.kernel) * vectors(s.width.kernel * s.inputs) +
                          2 * static_cast<double>(s.taps()) * vectors(s.inputs));
    return s.groups == 1 && here < 0.8 * meetings * filters * vectors(s.inputs);
  }

  void run() override {
    for (std::int64_t i = 0; i < shape_.height.kernel; ++i) {
      Operand w = w_;
      w.data = offset(w.data, w.dtype, i * columns_ * shape_.outputs);
      for (std::int64_t column = 0; column < columns_; column += tile_columns) {
        const std::int64_t width = std::min(tile_columns, columns_ - column);
        pack_w_(w, column, width, 0, shape_.outputs, round_up(width, lanes),
                packed_.get() + i * packed_row_ + column * window_.pixel());
      }
    }
    parallel(parts_, [&](int part) {
      const Range range = share(shape_.batch * blocks_, part, parts_);
      for (std::int64_t i = range.begin; i < range.end; ++i)
        make_rows(i / blocks_, {i % blocks_ * block_, std::min((i % blocks_ + 1) * block_, shape_.height.input)},
                  memory_.get() + part * part_size_);
    });
  }

 private:
  // Positions of g whose products are made at once, and sums of a block: both stay in the first-level cache.
  static constexpr std::int64_t positions = 128, sums_size = 4 * 1024;

  void make_rows(std::int64_t image, Range rows, float* memory) const {
    const ConvolutionAxis& axis = shape_.height;
    const auto divided_up = [](std::int64_t n, std::int64_t by) { return n <= 0 ? 0 : (n + by - 1) / by; };
    float* const sums = memory;
    std::fill_n(sums, (rows.end - rows.begin) * span_ * depth_, 0.0f);
    for (std::int64_t i = 0; i < axis.kernel; ++i) {
      const std::int64_t up = axis.before - i * axis.dilation;  // row r of g falls on row r·stride - up
      const std::int64_t end = std::min(divided_up(rows.end + up, axis.stride), axis.output);
      for (std::int64_t row = divided_up(rows.begin + up, axis.stride); row < end; row += at_once_) {
        const Range some{row, std::min(row + at_once_, end)};
        multiply(image, some, packed_.get() + i * packed_row_, memory);
        for (std::int64_t r = some.begin; r < some.end; ++r)
          add(memory + products_at_ + (r - row) * shape_.width.output * stride_,
              sums + (r * axis.stride - up - rows.begin) * span_ * depth_);
      }
    }
    for (std::int64_t row = rows.begin; row < rows.end; ++row)
      finish_row(image, row, sums + ((row - rows.begin) * span_ + shape_.width.before) * depth_);
  }

  // Some rows of g times a row of the kernel.
  void multiply(std::int64_t image, Range rows, const float* packed, float* memory) const {
    const std::int64_t width = shape_.width.output, count = (rows.end - rows.begin) * width;
    const float* x = memory + window_at_;
    if (window_.as_stored())
      x = window_.stored(image, rows.begin, 0);
    else
      window_.copy(image, rows, {0, width}, width * window_.pixel(), memory + window_at_, memory);
    float* const products = memory + products_at_;
    const Output output{.y = products, .columns = stride_, .partial = products, .simple = true};
    Tile tile{.x = x,
              .x_row = window_.pixel(),
              .x_inner = 1,
              .w = packed,
              .w_inner = 0,
              .inner = window_.pixel(),
              .row = 0,
              .column = 0,
              .width = 0};
    const int tiles = static_cast<int>((count + tile_rows - 1) / tile_rows);
    for (; tile.column < columns_; tile.column += tile_columns) {
      tile.width = std::min(tile_columns, columns_ - tile.column);
      tile.w = packed + tile.column * window_.pixel();
      tile.w_inner = round_up(tile.width, lanes);
      for (int t = 0; t < tiles; ++t) {
        const Range range = share(count, t, tiles);
        tile.x = x + range.begin * window_.pixel();
        tile.row = range.begin;
        tile_function(pairs_, range.end - range.begin, tile.w_inner / lanes)(tile, output);
      }
    }
  }

  // The products of a row of g to the sums of a padded row of the result; lanes beyond the channels get anything.
  void add(const float* products, float* sums) const {
    const ConvolutionAxis axis = shape_.width;
    const std::int64_t channels = shape_.inputs, stride = stride_, depth = depth_;
    for (std::int64_t channel = 0; channel < channels; channel += lanes) {
      for (std::int64_t j = 0; j < axis.kernel; ++j) {
        float* to = sums + j * axis.dilation * depth + channel;
        const float* from = products + j * channels + channel;
        for (std::int64_t i = 0; i < axis.output; ++i)
          store(to + i * axis.stride * depth, load(to + i * axis.stride * depth) + load(from + i * stride));
      }
    }
  }

  void finish_row(std::int64_t image, std::int64_t row, const float* sums) const {
    const std::int64_t width = shape_.width.input;
    const std::int64_t at = (image * shape_.height.input + row) * width * shape_.inputs;
    Output output = output_;
    output.y = const_cast<void*>(offset(output.y, output.dtype, at));
    if (output.mask) output.mask = offset(output.mask, output.mask_dtype, at);
    Tile tile{.x = nullptr,
              .x_row = 0,
              .x_inner = 0,
              .w = nullptr,
              .w_inner = 0,
              .inner = 0,
              .row = 0,
              .column = 0,
              .width = shape_.inputs};
    if (depth_ == lanes) {
      finish<1>(sums, static_cast<int>(width), tile, output);
      return;
    }
    for (; tile.row < width; ++tile.row)
      for (tile.column = 0; tile.column < shape_.inputs; tile.column += lanes) {
        tile.width = std::min(lanes, shape_.inputs - tile.column);
        finish<1>(sums + tile.row * depth_ + tile.column, 1, tile, output);
      }
  }

  ConvolutionShape shape_;
  Output output_;
  Operand w_;
  Window window_;
  bool pairs_ = false;
  Pack pack_w_;
  std::int64_t columns_ = 0, stride_ = 0, packed_row_ = 0;  // of the products of a row of the kernel
  std::int64_t depth_ = 0, span_ = 0;                       // of the sums: lanes of a pixel, pixels of a padded row
  std::int64_t at_once_ = 1, block_ = 1, blocks_ = 1;       // rows of g; rows of the result, and blocks of them
  std::int64_t products_at_ = 0, window_at_ = 0, part_size_ = 0;
  int parts_ = 1;
  Scratch memory_, packed_;
};

}  // namespace pellucid::PELLUCID_LEVEL

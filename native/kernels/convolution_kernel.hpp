// The gradient of a convolution's kernel, and the sums of g that make its bias's: a product whose rows are the taps and
// channels of the kernel, whose columns are those of g, and whose inner dimension runs over all positions.
#pragma once

#include "convolution_depthwise.hpp"
#include "convolution_shape.hpp"

namespace pellucid::PELLUCID_LEVEL {

// The batch is cut into a fixed number of chunks, each summed on its own, so that threads do not change the result.
class ConvolutionKernelGradient final : public Kernel {
 public:
  ConvolutionKernelGradient(const ConvolutionShape& shape, const View& x, const View& g, const View& y,
                            const View& sums, int threads)
      : shape_(shape), x_(x), g_(g), y_(y), sums_(sums) {
    const ConvolutionShape& s = shape_;
    depthwise_ = s.groups > 1 && s.group_inputs() == 1;
    groups_ = depthwise_ ? 1 : s.groups;
    pairs_ = has_pairs && !depthwise_ && x.dtype == Dtype::bfloat16 && g.dtype == Dtype::bfloat16;
    per_unit_ = pairs_ ? 2 : 1;
    window_ = Window(x, s.height.input, s.width.input, s.groups, pairs_ ? Units::pixel_pairs : Units::elements,
                     s.width.stride, depthwise_ ? s.group_outputs() : 1);
    pack_g_ = pack_function(pairs_, g.dtype);
    g_direct_ = !pairs_ && g.dtype == Dtype::float32;
    make_blocks();
    make_rows();

    const std::int64_t most = std::max<std::int64_t>(sums_size / ((rows_ + 1) * s.outputs), 1);
    chunks_ = std::min({s.batch, most_chunks, most});
    panels_ = groups_ * ((s.outputs / groups_ + tile_columns - 1) / tile_columns);
    panel_parts_ = chunks_ < most_chunks ? panels_ : 1;
    chunk_size_ = round_up((rows_ + 1) * s.outputs, lanes);
    chunk_sums_ = scratch(chunks_ * chunk_size_);

    const double microseconds = s.multiplications() / (4000.0 * static_cast<double>(lanes)) +
                                static_cast<double>(s.windows() * s.outputs) * 2e-4;
    parts_ = std::min(threads_for(microseconds, threads), static_cast<int>(std::min<std::int64_t>(tasks(), 1 << 20)));
    add_parts_ = threads_for(static_cast<double>(chunks_ * chunk_size_) * 2e-4, threads);
    window_units_ = direct_ ? 0 : round_up(reach(s.height, height_) * pitch_, lanes);
    part_size_ = window_units_ + (direct_ ? 0 : window_.scratch_size(pitch_ / window_.pixel()));
    g_at_ = round_up(part_size_, lanes);
    part_size_ = g_at_ + (g_direct_ ? 0 : height_ * row_units(width_) * tile_columns);
    memory_ = scratch(parts_ * part_size_ + 1);
    const bfloat16 one = to_bfloat16(1.0f);
    const bfloat16 two[2] = {one, one};
    if (pairs_)
      std::memcpy(&one_, two, sizeof one_);
    else
      one_ = 1.0f;
  }

  void run() override {
    parallel(parts_, [&](int part) {
      const Range range = share(tasks(), part, parts_);
      for (std::int64_t i = range.begin; i < range.end; ++i)
        add_up(static_cast<int>(i / panel_parts_), static_cast<int>(i % panel_parts_),
               memory_.get() + part * part_size_);
    });
    parallel(add_parts_, [&](int part) {
      const std::int64_t columns = shape_.outputs;
      join_chunks(share(rows_ * columns, part, add_parts_, lanes), 0, y_);
      if (sums_ && part == 0) join_chunks({rows_ * columns, (rows_ + 1) * columns}, rows_ * columns, sums_);
    });
  }

 private:
  struct Rows {  // of one tile: neighbours in a window as in the kernel
    std::int64_t group, row, height, start;
  };

  // Memory that is asked for while sums form, a step at each tile: it comes from far, having not been read for long.
  struct Ahead {
    const char *at, *end;
    std::int64_t step;

    void fetch() {
      for (const char* const stop = std::min(at + step, end); at < stop; at += 64) __builtin_prefetch(at, 0, 2);
    }
  };

  // Positions of a block, whose columns of g stay in the first-level cache; floats for the sums of all chunks.
  static constexpr std::int64_t block_size = 256;
  static constexpr std::int64_t most_chunks = 16, sums_size = 2 << 20;

  std::int64_t tasks() const { return chunks_ * panel_parts_; }
  std::int64_t row_units(std::int64_t columns) const { return (columns + per_unit_ - 1) / per_unit_; }
  static std::int64_t reach(const ConvolutionAxis& axis, std::int64_t positions) {
    return (positions - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
  }
  static bool inside(const ConvolutionAxis& axis) { return axis.before == 0 && reach(axis, axis.output) <= axis.input; }

  // Blocks are whole rows of positions, or parts of one, so that their positions follow each other in g.
  void make_blocks() {
    const ConvolutionShape& s = shape_;
    direct_ = window_.as_stored() && inside(s.height) && inside(s.width);
    width_ = s.width.output <= 2 * block_size ? s.width.output : block_size;
    height_ = std::clamp<std::int64_t>(block_size / width_, 1, s.height.output);
    if (width_ < s.width.output) height_ = 1;
    pitch_ = (direct_ ? s.width.input : reach(s.width, row_units(width_) * per_unit_)) * window_.pixel();
    for (std::int64_t row = 0; row < height_; ++row) starts_.push_back(row * s.height.stride * pitch_);
  }

  std::int64_t start_of(std::int64_t tap) const {
    const ConvolutionAxis &height = shape_.height, &width = shape_.width;
    return tap / width.kernel * height.dilation * pitch_ + tap % width.kernel * width.dilation * window_.pixel();
  }

  void make_rows() {
    const ConvolutionShape& s = shape_;
    rows_ = s.taps() * s.group_inputs();
    for (std::int64_t tap = 0; tap < s.taps(); ++tap) taps_.push_back(start_of(tap));
    if (depthwise_) return;
    const bool neighbours = s.groups == 1 && s.width.dilation == 1;  // taps of a row stand as in the kernel
    const std::int64_t taps = neighbours ? s.width.kernel : 1;
    const std::int64_t length = taps * s.group_inputs();
    const int tiles = static_cast<int>((length + tile_rows - 1) / tile_rows);
    for (std::int64_t group = 0; group < s.groups; ++group)
      for (std::int64_t tap = 0; tap < s.taps(); tap += taps)
        for (int t = 0; t < tiles; ++t) {
          const Range range = share(length, t, tiles);
          tiles_.push_back({group, tap * s.group_inputs() + range.begin, range.end - range.begin,
                            start_of(tap) + group * window_.group() + range.begin});
        }
  }

  void add_up(int chunk, int panel_part, float* memory) {
    const ConvolutionShape& s = shape_;
    const Range images = share(s.batch, chunk, static_cast<int>(chunks_));
    const Range panels = share(panels_, panel_part, static_cast<int>(panel_parts_));
    float* const sums = chunk_sums_.get() + chunk * chunk_size_;
    for (std::int64_t image = images.begin; image < images.end; ++image)
      for (std::int64_t row = 0; row < s.height.output; row += height_)
        for (std::int64_t column = 0; column < s.width.output; column += width_) {
          const Range rows{row, std::min(row + height_, s.height.output)},
              columns{column, std::min(column + width_, s.width.output)};
          const bool first = image == images.begin && row == 0 && column == 0;
          Ahead ahead[2] = {
              next(x_, image, rows.end * s.height.stride, height_ * s.height.stride, images.end, s.height.input,
                   s.width.input * s.inputs),
              next(g_, image, rows.end, height_, images.end, s.height.output, s.width.output * s.outputs)};
          add_block(image, rows, columns, panels, first, ahead, sums, memory);
        }
  }

  // What the next block reads of an operand whose images have so many rows: `count` that follow `row`, up to an image.
  Ahead next(const View& view, std::int64_t image, std::int64_t row, std::int64_t count, std::int64_t last,
             std::int64_t rows, std::int64_t row_size) const {
    const std::int64_t begin = image * rows + std::min(row, rows), end = std::min(begin + count, last * rows);
    const auto at = [&](std::int64_t place) {
      return static_cast<const char*>(offset(view.data, view.dtype, place * row_size));
    };
    return {at(begin), at(end), (at(end) - at(begin)) / static_cast<std::int64_t>(tiles_.size() + 1) + 64};
  }

  void add_block(std::int64_t image, Range rows, Range columns, Range panels, bool first, Ahead (&ahead)[2],
                 float* sums, float* memory) {
    const ConvolutionShape& s = shape_;
    const std::int64_t top = rows.begin * s.height.stride - s.height.before,
                       left = columns.begin * s.width.stride - s.width.before;
    const std::int64_t units = row_units(columns.end - columns.begin);
    const float* x = memory;
    if (direct_)
      x = window_.stored(image, top, left);
    else
      window_.copy(image, {top, top + reach(s.height, rows.end - rows.begin)},
                   {left, left + reach(s.width, units * per_unit_)}, pitch_, memory, memory + window_units_);
    const std::int64_t group_panels = panels_ / groups_, group_columns = s.outputs / groups_;
    for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
      const std::int64_t group = panel / group_panels, column = panel % group_panels * tile_columns;
      const std::int64_t width = std::min(tile_columns, group_columns - column);
      Tile tile{.x = &one_,
                .x_row = 0,
                .x_inner = 0,
                .w = memory + g_at_,
                .w_inner = round_up(width, lanes),
                .inner = (rows.end - rows.begin) * units,
                .row = rows_,
                .column = group * group_columns + column,
                .width = width,
                .first = first,
                .last = false};
      take_g(image, rows, columns, tile, memory + g_at_);
      const Output output{.columns = s.outputs, .partial = sums};
      const std::int64_t vectors = round_up(width, lanes) / lanes;
      if (sums_) tile_function(pairs_, 1, vectors)(tile, output);  // a row of ones
      tile.x_row = 1;
      tile.x_inner = per_unit_ * s.width.stride * window_.pixel();
      tile.inner = units;
      tile.runs = rows.end - rows.begin;
      tile.starts = starts_.data();
      if (depthwise_) add_channels(tile, x, sums);
      for (const Rows& each : tiles_) {
        if (each.group != group) continue;
        tile.x = x + each.start;
        tile.row = each.row;
        tile_function(pairs_, each.height, vectors)(tile, output);
        for (Ahead& operand : ahead) operand.fetch();
      }
    }
  }

  void add_channels(Tile tile, const float* x, float* sums) const {
    const std::int64_t end = tile.column + tile.width;
    for (; tile.column < end; tile.column += lanes, tile.w += lanes) {
      tile.x = x + tile.column;
      float* const to = sums + tile.column;
      if (end - tile.column >= lanes)
        add_depthwise(shape_.taps(), tile, taps_.data(), to, shape_.outputs, Whole{});
      else
        add_depthwise(shape_.taps(), tile, taps_.data(), to, shape_.outputs, Tail(end - tile.column));
    }
  }

  // The columns of g: where they stand, or a packed copy.
  void take_g(std::int64_t image, Range rows, Range columns, Tile& tile, float* to) const {
    const ConvolutionShape& s = shape_;
    const auto at = [&](std::int64_t row) {
      return offset(g_.data, g_.dtype, ((image * s.height.output + row) * s.width.output + columns.begin) * s.outputs);
    };
    if (g_direct_) {
      tile.w = static_cast<const float*>(at(rows.begin)) + tile.column;
      tile.w_inner = s.outputs;
      return;
    }
    const std::int64_t count = columns.end - columns.begin;
    for (std::int64_t row = rows.begin; row < rows.end; ++row, to += row_units(count) * tile.w_inner)
      pack_g_({at(row), g_.dtype, s.outputs, 1}, tile.column, tile.width, 0, count, tile.w_inner, to);
  }

  // Adds the chunks up in their order; `from` is the place of the result's first number.
  void join_chunks(Range range, std::int64_t from, const View& to) const {
    for (std::int64_t i = range.begin; i < range.end; i += lanes) {
      const Tail tail(std::min(lanes, range.end - i));
      floats total = tail.load(chunk_sums_.get() + i);
      for (std::int64_t chunk = 1; chunk < chunks_; ++chunk)
        total += tail.load(chunk_sums_.get() + chunk * chunk_size_ + i);
      if (to.dtype == Dtype::float32)
        tail.store(to.as<float>() + i - from, total);
      else
        tail.store(to.as<bfloat16>() + i - from, total);
    }
  }

  ConvolutionShape shape_;
  View x_, g_, y_, sums_;
  Window window_;
  bool pairs_ = false, direct_ = false, g_direct_ = false, depthwise_ = false;
  Pack pack_g_;
  float one_ = 1.0f;         // a unit
  std::int64_t groups_ = 1;  // as the product sees them
  std::int64_t per_unit_ = 1, rows_ = 0, height_ = 1, width_ = 1, pitch_ = 0;
  std::int64_t chunks_ = 1, chunk_size_ = 0, panels_ = 1, panel_parts_ = 1;
  std::int64_t window_units_ = 0, g_at_ = 0, part_size_ = 0;
  int parts_ = 1, add_parts_ = 1;
  std::vector<Rows> tiles_;
  std::vector<std::int64_t> starts_, taps_;  // of the rows of a block; of the taps
  Scratch memory_, chunk_sums_;
};

}  // namespace pellucid::PELLUCID_LEVEL

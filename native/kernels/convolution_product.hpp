// Convolution as a product without its matrix of patches: rows are positions of the result, columns its channels, and
// the inner dimension runs over the taps of the kernel and the channels of the source, read where they stand in
// windows of the image. Serves the convolution itself, and the gradient of its input as a convolution of g.
#pragma once

#include "convolution_depthwise.hpp"
#include "convolution_shape.hpp"

namespace pellucid::PELLUCID_LEVEL {

class ConvolutionProduct final : public Kernel {
 public:
  // The source's images of rows × columns, and the result's.
  struct Problem {
    View source;
    std::int64_t batch, rows, columns, groups;
    std::vector<Sweep> down, across;
    Operand w;  // of the first tap and group: inner along the source's channels, across along the result's
    std::int64_t w_tap, w_group, kernel_width;  // distances between taps and between groups
    std::int64_t target_rows, target_columns;
    Output output;
  };

  ConvolutionProduct(const Problem& problem, int threads) : problem_(problem), output_(problem.output) {
    const Problem& p = problem_;
    const std::int64_t channels = p.source.shape.back();
    share_ = channels / p.groups;
    depthwise_ = p.groups > 1 && share_ == 1 && (p.w.across == 1 || output_.columns == channels);
    if (depthwise_) problem_.w.across = 1;  // a tap's filters are neighbours
    group_columns_ = depthwise_ ? output_.columns : output_.columns / p.groups;
    pairs_ = has_pairs && p.source.dtype == Dtype::bfloat16 && p.w.dtype == Dtype::bfloat16 && share_ > 1;
    window_ = Window(p.source, p.rows, p.columns, p.groups, pairs_ ? Units::channel_pairs : Units::elements, 0,
                     depthwise_ ? output_.columns / channels : 1);
    pack_w_ = pack_function(pairs_, p.w.dtype);
    lowest_ = {lowest(p.down), lowest(p.across)};
    make_blocks(threads);
    for (const Sweep& down : p.down)
      for (const Sweep& across : p.across) add_phase(down, across);

    double work = 0;
    for (const Phase& phase : phases_)
      work += static_cast<double>(p.batch * phase.down.count * phase.across.count) *
              static_cast<double>(phase.units * output_.columns);
    // As for matmul; a result takes its time to write however few the products.
    const double results = static_cast<double>(p.batch * p.target_rows * p.target_columns * output_.columns);
    parts_ = threads_for(work / (4000.0 * static_cast<double>(lanes)) + results * 2e-4, threads);
    part_size_ = direct_ ? 0 : block_rows() * pitch_ + window_.scratch_size(pitch_ / window_.pixel());
    windows_ = scratch(parts_ * part_size_ + 1);
    packed_ = scratch(packed_size_ + 1);
    pack_parts_ = threads_for(static_cast<double>(packed_size_) * 5e-4, threads);
  }

  void run() override {
    const auto panels = static_cast<std::int64_t>(panels_.size());
    parallel(pack_parts_, [&](int part) {
      const Range range = share(panels, part, pack_parts_);
      for (std::int64_t i = range.begin; i < range.end; ++i) pack(panels_[static_cast<std::size_t>(i)]);
    });
    parallel(parts_, [&](int part) {
      float* const memory = windows_.get() + part * part_size_;
      const Range range = share(problem_.batch * blocks_down_ * blocks_across_, part, parts_);
      for (std::int64_t i = range.begin; i < range.end; ++i) {
        const std::int64_t block = i % (blocks_down_ * blocks_across_);
        multiply(i / (blocks_down_ * blocks_across_), piece(problem_.down, block / blocks_across_, height_),
                 piece(problem_.across, block % blocks_across_, width_), memory);
      }
    });
  }

 private:
  // Positions that meet the same taps.
  struct Phase {
    Sweep down, across;
    std::int64_t units, inner;         // of the inner dimension: in all, and in one run
    std::vector<std::int64_t> starts;  // of the runs, from the first unit of a window
  };
  struct Panel {  // columns of w, packed for one phase
    std::size_t phase;
    std::int64_t group, column, width;
    std::int64_t at;  // in the packed memory
  };

  // Units of a window, which stays in the second-level cache with a panel of w; positions in a row of blocks.
  static constexpr std::int64_t window_size = 32 * 1024;
  static constexpr std::int64_t block_width = 16 * tile_rows;

  static std::int64_t lowest(const std::vector<Sweep>& sweeps) {
    std::int64_t low = INT64_MAX;
    for (const Sweep& sweep : sweeps)
      if (!sweep.taps.empty()) low = std::min(low, sweep.taps.front().offset);
    return low == INT64_MAX ? 0 : low;
  }
  // How many neighbours of the source a number of positions reads.
  static std::int64_t reach(const std::vector<Sweep>& sweeps, std::int64_t positions) {
    std::int64_t high = lowest(sweeps);
    for (const Sweep& sweep : sweeps)
      if (!sweep.taps.empty()) high = std::max(high, sweep.taps.back().offset);
    return (positions - 1) * sweeps[0].step + high - lowest(sweeps) + 1;
  }
  static bool inside(const std::vector<Sweep>& sweeps, std::int64_t size) {
    return lowest(sweeps) >= 0 && lowest(sweeps) + reach(sweeps, sweeps[0].count) <= size;
  }
  static Range piece(const std::vector<Sweep>& sweeps, std::int64_t index, std::int64_t size) {
    return {index * size, std::min((index + 1) * size, sweeps[0].count)};
  }

  std::int64_t tap_units() const { return depthwise_ ? 1 : window_.group(); }
  std::int64_t block_rows() const { return reach(problem_.down, height_); }

  void make_blocks(int threads) {
    const Problem& p = problem_;
    const std::int64_t rows = p.down[0].count, columns = p.across[0].count;
    direct_ = window_.as_stored() && inside(p.down, p.rows) && inside(p.across, p.columns);
    width_ = std::min(columns, block_width);
    blocks_across_ = (columns + width_ - 1) / width_;
    pitch_ = (direct_ ? p.columns : reach(p.across, width_)) * window_.pixel();
    const std::int64_t row_units = reach(p.across, width_) * window_.pixel();
    height_ = rows;
    while (height_ > 1 && reach(p.down, height_) * row_units > window_size) height_ = (height_ + 1) / 2;
    const std::int64_t wanted = (2 * threads + p.batch * blocks_across_ - 1) / (p.batch * blocks_across_);
    height_ = std::max<std::int64_t>(std::min(height_, rows / wanted), 1);
    blocks_down_ = (rows + height_ - 1) / height_;
  }

  void add_phase(const Sweep& down, const Sweep& across) {
    Phase phase{down, across, 0, tap_units(), {}};
    const auto taps = static_cast<std::int64_t>(across.taps.size());
    // Taps that are neighbours in a row make one run, where no other group's channels lie between them.
    const bool neighbours =
        problem_.groups == 1 && taps > 1 && across.taps.back().offset - across.taps.front().offset == taps - 1;
    for (const Sweep::Tap& row : down.taps)
      for (const Sweep::Tap& column : across.taps)
        if (!neighbours || &column == &across.taps.front())
          phase.starts.push_back((row.offset - lowest_.begin) * pitch_ +
                                 (column.offset - lowest_.end) * window_.pixel());
    if (neighbours) phase.inner *= taps;
    phase.units = static_cast<std::int64_t>(phase.starts.size()) * phase.inner;
    const std::int64_t panel_width = depthwise_ ? lanes : tile_columns;
    for (std::int64_t group = 0; group < (depthwise_ ? 1 : problem_.groups); ++group) {
      for (std::int64_t column = 0; column < group_columns_; column += panel_width) {
        const std::int64_t width = std::min(panel_width, group_columns_ - column);
        panels_.push_back({phases_.size(), group, column, width, packed_size_});
        packed_size_ += phase.units * round_up(width, lanes);
      }
    }
    phases_.push_back(std::move(phase));
  }

  void pack(const Panel& panel) const {
    const Phase& phase = phases_[panel.phase];
    const std::int64_t stride = round_up(panel.width, lanes);
    float* to = packed_.get() + panel.at;
    for (const Sweep::Tap& row : phase.down.taps) {
      for (const Sweep::Tap& column : phase.across.taps) {
        Operand w = problem_.w;
        const std::int64_t tap = row.at * problem_.kernel_width + column.at;
        w.data = offset(w.data, w.dtype, tap * problem_.w_tap + panel.group * problem_.w_group);
        pack_w_(w, panel.column, panel.width, 0, share_, stride, to);
        to += tap_units() * stride;
      }
    }
  }

  void multiply(std::int64_t image, Range rows, Range columns, float* memory) const {
    const Problem& p = problem_;
    const std::int64_t top = rows.begin * p.down[0].step + lowest_.begin,
                       left = columns.begin * p.across[0].step + lowest_.end;
    const float* x = memory;
    if (direct_)
      x = window_.stored(image, top, left);
    else
      window_.copy(image, {top, top + reach(p.down, rows.end - rows.begin)},
                   {left, left + reach(p.across, columns.end - columns.begin)}, pitch_, memory,
                   memory + block_rows() * pitch_);
    for (const Panel& panel : panels_) {
      const Phase& phase = phases_[panel.phase];
      const std::int64_t end = std::min(rows.end, phase.down.count);
      for (std::int64_t row = rows.begin; row < end; ++row)
        multiply_row(panel, phase, image, row, {columns.begin, std::min(columns.end, phase.across.count)},
                     x + (row - rows.begin) * phase.down.step * pitch_ +
                         (depthwise_ ? panel.column : panel.group * window_.group()));
    }
  }

  // Positions of one row of the result.
  void multiply_row(const Panel& panel, const Phase& phase, std::int64_t image, std::int64_t row, Range columns,
                    const float* x) const {
    const Problem& p = problem_;
    const std::int64_t first_channel = panel.group * group_columns_;
    const std::int64_t at =
        ((image * p.target_rows + phase.down.first + row * phase.down.apart) * p.target_columns + phase.across.first) *
            output_.columns +
        first_channel;
    Output output = output_;
    output.y = const_cast<void*>(offset(output.y, output.dtype, at));
    output.partial = static_cast<float*>(output.y);  // never read: every tile sees its whole inner dimension
    if (output.mask) output.mask = offset(output.mask, output.mask_dtype, at);
    if (output.bias) output.bias += first_channel;
    output.columns *= phase.across.apart;
    const std::int64_t x_row = phase.across.step * window_.pixel();
    Tile tile{.x = x,
              .x_row = x_row,
              .x_inner = 1,
              .w = packed_.get() + panel.at,
              .w_inner = round_up(panel.width, lanes),
              .inner = phase.inner,
              .row = 0,
              .column = panel.column,
              .width = panel.width,
              .runs = static_cast<std::int64_t>(phase.starts.size()),
              .starts = phase.starts.data()};
    const std::int64_t count = columns.end - columns.begin;
    const int tiles = static_cast<int>((count + tile_rows - 1) / tile_rows);
    for (int t = 0; t < tiles; ++t) {
      const Range range = share(count, t, tiles);
      tile.x = x + range.begin * x_row;
      tile.row = columns.begin + range.begin;
      const std::int64_t height = range.end - range.begin;
      (depthwise_ ? depthwise_function(height) : tile_function(pairs_, height, tile.w_inner / lanes))(tile, output);
    }
  }

  Problem problem_;
  Output output_;
  Window window_;
  bool pairs_ = false, direct_ = false, depthwise_ = false;
  Pack pack_w_;
  std::int64_t share_ = 0, group_columns_ = 0;
  Range lowest_{0, 0};  // offsets of a window's first row and column from its first position
  std::int64_t height_ = 1, width_ = 1, blocks_down_ = 1, blocks_across_ = 1;  // positions of a block; blocks
  std::int64_t pitch_ = 0, part_size_ = 0, packed_size_ = 0;
  int parts_ = 1, pack_parts_ = 1;
  std::vector<Phase> phases_;
  std::vector<Panel> panels_;
  Scratch windows_, packed_;
};

}  // namespace pellucid::PELLUCID_LEVEL

// Our own blocked product for sizes that repay packing (Goto and van de Geijn 2008): each thread owns a block of y,
// packs the rows of x that it needs and one panel of w at a time, and runs tiles over them. Threads never wait for each
// other, and the split is a function of shape and thread count alone.
#pragma once

#include <algorithm>

#include "../threads.hpp"
#include "gemm_product.hpp"

namespace pellucid::PELLUCID_LEVEL {

class Packed final : public Kernel {
 public:
  Packed(const Product& product, int threads) : product_(product) {
    const Product& p = product;
    pairs_ = has_pairs && p.x.dtype == Dtype::bfloat16 && p.w.dtype == Dtype::bfloat16;
    per_unit_ = pairs_ ? 2 : 1;
    units_ = std::max<std::int64_t>((p.inner + per_unit_ - 1) / per_unit_, 1);
    const std::int64_t blocks = (units_ + block_units - 1) / block_units;
    block_ = (units_ + blocks - 1) / blocks;
    pack_x_ = pack_function(pairs_, p.x.dtype);
    pack_w_ = pack_function(pairs_, p.w.dtype);
    x_direct_ = reads_directly(p.x);
    // Rows that collide must fit the ways of a set, of which there are 12 or more where a tile could be taller.
    tile_height_ = x_direct_ && p.x.inner == 1 && rows_collide(p.x) ? std::min(tile_rows, 10) : tile_rows;

    split(threads);
    if (!product_.output.partial && units_ > block_) {
      partial_ = scratch(p.batch * p.rows * p.columns);
      product_.output.partial = partial_.get();
    }
    const std::int64_t tiles = (p.rows + row_parts_ - 1) / row_parts_ / tile_rows + 1;
    x_size_ = x_direct_ ? 0 : tiles * x_stride * block_;
    group_ = std::max<std::int64_t>(w_size / (tile_columns * block_), 1) * tile_columns;
    part_size_ = x_size_ + std::min(group_, round_up(p.columns, tile_columns)) * block_;
    scratch_ = scratch(parts() * part_size_);
  }

  void run() override {
    parallel(parts(), [this](int part) {
      float* memory = scratch_.get() + part * part_size_;
      const int row_part = part % row_parts_, column_part = part / row_parts_ % column_parts_;
      const Range rows = share(product_.rows, row_part, row_parts_);
      const Range columns = share(product_.columns, column_part, column_parts_, tile_columns);
      const Range items = share(product_.batch, part / (row_parts_ * column_parts_), batch_parts_);
      for (std::int64_t i = items.begin; i < items.end; ++i) {
        Product product = item(product_, i);
        if (row_part > 0) product.column_sums = nullptr;  // one part's work
        multiply(product, rows, columns, memory);
      }
    });
  }

  int parts() const { return batch_parts_ * row_parts_ * column_parts_; }

 private:
  // Units of the inner dimension taken at once, and units of w packed at once, which stay in the second-level cache.
  static constexpr std::int64_t block_units = 1024;
  static constexpr std::int64_t w_size = 64 * 1024;
  static constexpr std::int64_t x_stride = round_up(tile_rows, lanes);  // of a packed tile of x

  struct Block {
    std::int64_t begin, units;  // of the inner dimension, in units
    Range elements;
  };

  // Whether neighbouring rows of x (or of its inner dimension) meet in the same sets of the first-level cache.
  bool rows_collide(const Operand& x) const { return (x.inner == 1 ? x.across / per_unit_ : x.inner) % 1024 == 0; }

  // Whether the tiles may broadcast from the operand itself: its units stand in memory as they are needed, and a copy
  // would not be repaid.
  bool reads_directly(const Operand& x) const {
    const bool units =
        pairs_ ? x.inner == 1 && x.across % 2 == 0 && product_.inner % 2 == 0 : x.dtype == Dtype::float32;
    return units && (product_.columns <= 2 * tile_columns || !rows_collide(x));
  }

  void split(int threads) {
    const Product& p = product_;
    if (p.batch >= threads) {
      batch_parts_ = threads;
      return;
    }
    // Every column part packs x anew (unless it is read directly), every row part packs w.
    double best = 0;
    for (int row_parts = 1; row_parts <= threads; ++row_parts) {
      if (threads % row_parts != 0) continue;
      const int column_parts = threads / row_parts;
      const auto rows = static_cast<double>((p.rows + row_parts - 1) / row_parts);
      const auto columns = static_cast<double>(round_up((p.columns + column_parts - 1) / column_parts, tile_columns));
      const double cost = rows * columns + (x_direct_ ? 0 : 20 * rows) + 20 * columns;
      if (best == 0 || cost < best) {
        best = cost;
        row_parts_ = row_parts;
        column_parts_ = column_parts;
      }
    }
  }

  void multiply(const Product& p, Range rows, Range columns, float* memory) const {
    for (std::int64_t begin = 0; begin < units_; begin += block_) {
      const std::int64_t units = std::min(block_, units_ - begin);
      const Range elements{begin * per_unit_, std::min((begin + units) * per_unit_, p.inner)};
      multiply_block(p, rows, columns, {begin, units, elements}, memory);
    }
  }

  void multiply_block(const Product& p, Range rows, Range columns, const Block& block, float* x_memory) const {
    const std::int64_t height = rows.end - rows.begin;
    const int tiles = static_cast<int>((height + tile_height_ - 1) / tile_height_);
    float* const w_memory = x_memory + x_size_;
    if (!x_direct_) {
      for (int t = 0; t < tiles; ++t) {
        const Range range = share(height, t, tiles);
        pack_x_(p.x, rows.begin + range.begin, range.end - range.begin, block.elements.begin, block.elements.end,
                x_stride, x_memory + t * x_stride * block_);
      }
    }
    for (std::int64_t group = columns.begin; group < columns.end; group += group_) {
      const std::int64_t group_end = std::min(group + group_, columns.end);
      for (std::int64_t column = group; column < group_end; column += tile_columns) {
        const std::int64_t width = std::min(tile_columns, group_end - column);
        float* const panel = w_memory + (column - group) * block_;
        pack_w_(p.w, column, width, block.elements.begin, block.elements.end, round_up(width, lanes), panel);
        if (p.column_sums) sum_columns(tile_of(p, block, column, width, panel), pairs_, p.column_sums);
      }
      for (int t = 0; t < tiles; ++t) {
        const Range range = share(height, t, tiles);
        multiply_rows(p, {rows.begin + range.begin, rows.begin + range.end}, {group, group_end}, block,
                      x_memory + t * x_stride * block_, w_memory);
      }
    }
  }

  // A tile over a packed panel of w, but for its rows.
  Tile tile_of(const Product& p, const Block& block, std::int64_t column, std::int64_t width,
               const float* panel) const {
    return {.x = nullptr,
            .x_row = 1,
            .x_inner = x_stride,
            .w = panel,
            .w_inner = round_up(width, lanes),
            .inner = p.inner == 0 ? 0 : block.units,
            .row = 0,
            .column = column,
            .width = width,
            .first = block.begin == 0,
            .last = block.begin + block.units == units_};
  }

  // One row of tiles over packed panels of w.
  void multiply_rows(const Product& p, Range rows, Range columns, const Block& block, const float* x,
                     const float* w) const {
    for (std::int64_t column = columns.begin; column < columns.end; column += tile_columns) {
      Tile tile = tile_of(p, block, column, std::min(tile_columns, columns.end - column),
                          w + (column - columns.begin) * block_);
      tile.row = rows.begin;
      tile.x = x;
      if (x_direct_) {
        tile.x = static_cast<const float*>(p.x.data) +
                 (rows.begin * p.x.across + block.elements.begin * p.x.inner) / per_unit_;
        tile.x_row = p.x.inner == 1 ? p.x.across / per_unit_ : p.x.across;
        tile.x_inner = p.x.inner;
      }
      tile_function(pairs_, rows.end - rows.begin, tile.w_inner / lanes)(tile, p.output);
    }
  }

  Product product_;
  bool pairs_ = false, x_direct_ = false;
  std::int64_t per_unit_ = 1, units_ = 0, block_ = 0, group_ = 0, x_size_ = 0, part_size_ = 0;
  int tile_height_ = tile_rows, batch_parts_ = 1, row_parts_ = 1, column_parts_ = 1;
  Pack pack_x_, pack_w_;
  Scratch scratch_, partial_;
};

}  // namespace pellucid::PELLUCID_LEVEL

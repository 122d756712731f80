// What the recurrent kernels share. Every thread takes a share of the batch through all steps, so that threads never
// meet between steps; its copy of the weights, its states and its sums stay in its own caches.
#pragma once

#include <algorithm>
#include <string>

#include "../threads.hpp"
#include "gemm_output.hpp"
#include "gemm_product.hpp"

namespace pellucid::PELLUCID_LEVEL {

// The activations that a cell may have inside its steps; derivatives are functions of the value.
enum class Bend : std::uint8_t { linear, relu, tanh, sigmoid, hard_sigmoid };

inline Bend bend_of(const std::string& kernel, const std::string& name) {
  if (name == "linear") return Bend::linear;
  if (name == "relu") return Bend::relu;
  if (name == "tanh") return Bend::tanh;
  if (name == "sigmoid") return Bend::sigmoid;
  if (name == "hard_sigmoid") return Bend::hard_sigmoid;
  refuse(kernel + ": unknown activation '" + name + "'");
}

inline floats bend(Bend kind, floats x) {
  switch (kind) {
    case Bend::relu: return relu(x);
    case Bend::tanh: return tanh(x);
    case Bend::sigmoid: return sigmoid(x);
    case Bend::hard_sigmoid: return minimum(maximum(x * (1.0f / 6.0f) + 0.5f, splat(0.0f)), splat(1.0f));
    default: return x;
  }
}

inline floats slope(Bend kind, floats y) {
  switch (kind) {
    case Bend::relu: return y > 0.0f ? splat(1.0f) : splat(0.0f);
    case Bend::tanh: return 1.0f - y * y;
    case Bend::sigmoid: return y * (1.0f - y);
    case Bend::hard_sigmoid: return (y > 0.0f) & (y < 1.0f) ? splat(1.0f / 6.0f) : splat(0.0f);
    default: return splat(1.0f);
  }
}

// Rows of numbers by example, or by example and step: [batch, width] or [batch, steps, width]; or absent.
class Rows {
 public:
  Rows() = default;
  Rows(const std::string& kernel, const View& view, const Shape& shape) {
    if (!view) return;
    if (!is_float(view) || view.shape != shape)
      refuse(kernel + ": an operand is " + dtype_name(view.dtype) + shape_text(view.shape) +
             ", not float32 or bfloat16 " + shape_text(shape));
    data_ = view.data;
    half_ = view.dtype == Dtype::bfloat16;
    step_ = shape.back();
    example_ = shape.size() == 3 ? shape[1] * shape[2] : shape[1];
  }

  explicit operator bool() const { return data_ != nullptr; }

  template <typename Lanes>
  floats load(const Lanes& part, std::int64_t b, std::int64_t t, std::int64_t column) const {
    const std::int64_t at = b * example_ + t * step_ + column;
    return half_ ? part.load(static_cast<const bfloat16*>(data_) + at)
                 : part.load(static_cast<const float*>(data_) + at);
  }
  template <typename Lanes>
  floats load_or_zero(const Lanes& part, std::int64_t b, std::int64_t t, std::int64_t column) const {
    return data_ ? load(part, b, t, column) : floats{};
  }
  template <typename Lanes>
  void store(const Lanes& part, std::int64_t b, std::int64_t t, std::int64_t column, floats x) const {
    if (!data_) return;
    const std::int64_t at = b * example_ + t * step_ + column;
    if (half_)
      part.store(static_cast<bfloat16*>(data_) + at, x);
    else
      part.store(static_cast<float*>(data_) + at, x);
  }
  // Calls use(p), p at the first number in its own type, null where there are none: for loops that must not ask again.
  template <typename Use>
  [[gnu::always_inline]] void with_data(const Use& use) const {
    if (half_)
      use(static_cast<bfloat16*>(data_));
    else
      use(static_cast<float*>(data_));
  }
  std::int64_t offset(std::int64_t b, std::int64_t t) const { return b * example_ + t * step_; }

 private:
  void* data_ = nullptr;
  std::int64_t example_ = 0, step_ = 0;
  bool half_ = false;
};

// Calls work with the lanes of `width` numbers: a whole vector where it can be.
template <typename Work>
[[gnu::always_inline]] inline void with_lanes(std::int64_t width, const Work& work) {
  if (width >= lanes)
    work(Whole{});
  else
    work(Tail(width));
}

// The left operand of a step's product, a few rows of it: float32, or bfloat16 pairs.
class LeftRows {
 public:
  LeftRows() = default;
  LeftRows(std::int64_t width, bool pairs) : pairs_(pairs) {
    stride_ = round_up(pairs ? (width + 1) / 2 : width, lanes);
    if (stride_ % 1024 == 0) stride_ += lanes;  // rows would meet in the same sets of the first-level cache
  }
  std::int64_t stride() const { return stride_; }

  template <typename Lanes>
  void store(float* memory, const Lanes& part, std::int64_t row, std::int64_t column, floats x) const {
    if (pairs_)
      part.store(reinterpret_cast<bfloat16*>(memory + row * stride_) + column, x);
    else
      part.store(memory + row * stride_ + column, x);
  }

 private:
  bool pairs_ = false;
  std::int64_t stride_ = 0;
};

// The right operand of the steps' products, packed once for all of them, in blocks of columns that are used together:
// `pieces` of at most a vector each, `units` columns apart; or, of one piece, a whole tile's columns.
class Weights {
 public:
  Weights() = default;
  Weights(const Operand& w, std::int64_t inner, std::int64_t units, int pieces)
      : w_(w), inner_(inner), units_(units), pieces_(pieces), width_(pieces == 1 ? tile_columns : lanes) {
    pairs_ = has_pairs && w.dtype == Dtype::bfloat16;
    inner_units_ = pairs_ ? (inner + 1) / 2 : inner;
    pack_ = pack_function(pairs_, w.dtype);
  }

  bool pairs() const { return pairs_; }
  std::int64_t width() const { return width_; }  // of a piece
  std::int64_t blocks() const { return (units_ + width_ - 1) / width_; }
  std::int64_t columns() const { return pieces_ * width_; }  // of a block
  std::int64_t size() const { return blocks() * columns() * inner_units_; }
  double multiplications() const { return static_cast<double>(inner_ * units_ * pieces_) / (pairs_ ? 2 : 1); }

  // Tiles of two vectors and, of an odd number, one more. What lies beyond the units is zero.
  void pack(float* memory) const {
    std::fill_n(memory, size(), 0.0f);
    for (std::int64_t block = 0; block < blocks(); ++block) {
      const std::int64_t first = block * width_, filled = std::min(width_, units_ - first);
      for (int piece = 0; piece < pieces_; ++piece) {
        const std::int64_t column = piece * width_, tile = column / tile_columns * tile_columns;
        float* to = memory + (block * columns() + tile) * inner_units_ + (column - tile);
        pack_(w_, piece * units_ + first, filled, 0, inner_, tile_width(tile), to);
      }
    }
  }

  // y[r, 0…columns-1] = x·(a block), `rows` at most tile_rows, from a packed copy; y's rows are `y_row` apart.
  void multiply(const float* memory, std::int64_t block, const float* x, std::int64_t x_row, std::int64_t rows,
                float* y, std::int64_t y_row) const {
    Output output;
    output.y = output.partial = y;
    output.columns = y_row;
    output.simple = true;
    for (std::int64_t column = 0; column < columns(); column += tile_columns) {
      const std::int64_t width = tile_width(column);
      const Tile tile{.x = x,
                      .x_row = x_row,
                      .x_inner = 1,
                      .w = memory + (block * columns() + column) * inner_units_,
                      .w_inner = width,
                      .inner = inner_units_,
                      .row = 0,
                      .column = column,
                      .width = width};
      tile_function(pairs_, rows, width / lanes)(tile, output);
    }
  }

 private:
  std::int64_t tile_width(std::int64_t column) const { return std::min(tile_columns, columns() - column); }

  Operand w_{};
  std::int64_t inner_ = 0, units_ = 0, inner_units_ = 0;
  int pieces_ = 1;
  std::int64_t width_ = lanes;
  bool pairs_ = false;
  Pack pack_ = nullptr;
};

// Which rows a thread takes through the steps together: few enough that their states stay in the second-level cache.
inline constexpr std::int64_t chunk_rows = 8 * tile_rows;

// Calls work(row, count) for groups of rows of at most a tile's height.
template <typename Work>
[[gnu::always_inline]] inline void each_tile(std::int64_t rows, const Work& work) {
  const int tiles = static_cast<int>((rows + tile_rows - 1) / tile_rows);
  for (int i = 0; i < tiles; ++i) {
    const Range range = share(rows, i, tiles);
    work(range.begin, range.end - range.begin);
  }
}

// What every recurrent kernel knows of its sequence.
struct Sequence {
  std::int64_t batch = 0, steps = 0, units = 0;
  bool reverse = false;
  const std::uint8_t* mask = nullptr;  // [batch, steps]
  Rows dropout;

  // The i-th step to be taken, and the one before it, -1 where there is none.
  std::int64_t step(std::int64_t i) const { return reverse ? steps - 1 - i : i; }
  std::int64_t before(std::int64_t i) const { return i == 0 ? -1 : step(i - 1); }
  bool counts(std::int64_t b, std::int64_t t) const { return !mask || mask[b * steps + t] != 0; }
  // The state of one example as it meets u.
  template <typename Lanes>
  floats met(const Lanes& part, std::int64_t b, std::int64_t column, floats h) const {
    return dropout ? h * dropout.load(part, b, 0, column) : h;
  }
};

// Reads the optional operands from place `next` on, and moves it behind them: a mask is of truth values, a dropout the
// first of the others where `dropout` says that there is one.
inline void read_optional(const std::string& kernel, Sequence& sequence, Views inputs, std::size_t& next,
                          std::size_t derivatives) {
  if (next < inputs.size() && inputs[next].dtype == Dtype::boolean) {
    if (inputs[next].shape != Shape{sequence.batch, sequence.steps}) refuse(kernel + ": the mask is [batch, steps]");
    sequence.mask = inputs[next++].as<std::uint8_t>();
  }
  if (next + derivatives < inputs.size())
    sequence.dropout = Rows(kernel, inputs[next++], {sequence.batch, sequence.units});
  if (next + derivatives != inputs.size()) refuse(kernel + ": too many or too few operands");
}

// A kernel that takes its rows through all steps, by parts that never meet.
class Recurrence : public Kernel {
 public:
  void run() override {
    parallel(parts_, [this](int part) {
      float* memory = scratch_.get() + part * part_size_;
      prepare(memory);
      const Range rows = share(sequence_.batch, part, parts_);
      const int chunks = static_cast<int>((rows.end - rows.begin + chunk_rows - 1) / chunk_rows);
      for (int i = 0; i < chunks; ++i) {
        const Range chunk = share(rows.end - rows.begin, i, chunks);
        run_rows(rows.begin + chunk.begin, chunk.end - chunk.begin, memory);
      }
    });
  }

 protected:
  explicit Recurrence(const Sequence& sequence) : sequence_(sequence), row_(round_up(sequence.units, tile_columns)) {}

  // A place in every part's memory for `size` numbers.
  std::int64_t reserve(std::int64_t size) {
    const std::int64_t at = part_size_;
    part_size_ += round_up(size, 16);
    return at;
  }
  // To be called last: `multiplications` of one example's step.
  void allocate(double multiplications, int threads) {
    const double speed = 4000.0 * static_cast<double>(lanes);  // multiply-adds per microsecond, see linear.cpp
    const double work = static_cast<double>(sequence_.batch * sequence_.steps) * multiplications / speed;
    parts_ = std::min(threads_for(work, threads), static_cast<int>(std::max<std::int64_t>(sequence_.batch, 1)));
    rows_ = std::min(chunk_rows, (sequence_.batch + parts_ - 1) / parts_);
    scratch_ = scratch(parts_ * part_size_);
  }

  virtual void prepare(float* memory) = 0;  // packs the weights
  virtual void run_rows(std::int64_t first, std::int64_t count, float* memory) = 0;

  // Calls work(lanes, row, column) for every vector of the states of some rows.
  template <typename Work>
  [[gnu::always_inline]] void each_state(std::int64_t rows, const Work& work) const {
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t column = 0; column < sequence_.units; column += lanes)
        with_lanes(sequence_.units - column,
                   [&](const auto& part) __attribute__((always_inline)) { work(part, row, column); });
  }
  // x·(all the weights) into rows of states.
  void multiply_all(const Weights& weights, const float* packed, const float* left, std::int64_t left_row,
                    std::int64_t rows, float* to) const {
    for (std::int64_t block = 0; block < weights.blocks(); ++block)
      each_tile(rows, [&](std::int64_t row, std::int64_t count) {
        weights.multiply(packed, block, left + row * left_row, left_row, count,
                         to + row * row_ + block * weights.width(), row_);
      });
  }
  // What reaches the state before, given what reaches it through u: less what dropout holds back, plus what passes a
  // step that does not count.
  void pass(std::int64_t first, std::int64_t count, std::int64_t t, const float* dh, float* before) const {
    if (!sequence_.mask && !sequence_.dropout) return;
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      float* const to = before + row * row_ + column;
      floats x = sequence_.met(part, first + row, column, load(to));
      if (!sequence_.counts(first + row, t)) x += load(dh + row * row_ + column);
      store(to, x);
    });
  }

  Sequence sequence_;
  std::int64_t row_;  // numbers between the states of one row and the next

 private:
  std::int64_t part_size_ = 0;
  int parts_ = 1;
  std::int64_t rows_ = 0;
  Scratch scratch_;
};

}  // namespace pellucid::PELLUCID_LEVEL

// The long short-term memory cell, forward and backward. Gates stand in Keras's order i, f, g (the candidate), o.
#pragma once

#include "recurrent_parts.hpp"

namespace pellucid::PELLUCID_LEVEL {

struct LstmCell {
  Bend activation, recurrent_activation;

  // Sums become gates. Without a branch between them the four wait for none of each other's instructions.
  [[gnu::always_inline]] void bend_gates(floats (&x)[4]) const {
    if (activation == Bend::tanh && recurrent_activation == Bend::sigmoid) {
      x[0] = sigmoid(x[0]);
      x[1] = sigmoid(x[1]);
      x[2] = tanh(x[2]);
      x[3] = sigmoid(x[3]);
    } else {
      for (int k = 0; k < 4; ++k) x[k] = bend(k == 2 ? activation : recurrent_activation, x[k]);
    }
  }
  floats gate_slope(int which, floats y) const { return slope(which == 2 ? activation : recurrent_activation, y); }
};

// z, u, h, c, mask?, dropout? → h, c, gates over time, the last h and c.
class Lstm final : public Recurrence {
 public:
  struct Operands {
    Operand u;
    Rows z, first_h, first_c, h, c, gates, last_h, last_c;
  };

  Lstm(const Sequence& sequence, const LstmCell& cell, const Operands& operands, int threads)
      : Recurrence(sequence), cell_(cell), at_(operands) {
    const std::int64_t units = sequence.units;
    weights_ = Weights(at_.u, units, units, 4);
    left_ = LeftRows(units, weights_.pairs());
    weights_at_ = reserve(weights_.size());
    left_at_ = reserve(2 * chunk_rows * left_.stride());
    h_at_ = reserve(chunk_rows * row_);
    c_at_ = reserve(chunk_rows * row_);
    sums_at_ = reserve(tile_rows * weights_.columns());
    allocate(weights_.multiplications(), threads);
  }

 private:
  void prepare(float* memory) override { weights_.pack(memory + weights_at_); }

  void run_rows(std::int64_t first, std::int64_t count, float* memory) override {
    const std::int64_t left_size = chunk_rows * left_.stride();
    float *left = memory + left_at_, *next = left + left_size;
    std::fill_n(left, 2 * left_size, 0.0f);
    begin(first, count, left, memory);
    for (std::int64_t i = 0; i < sequence_.steps; ++i) {
      for (std::int64_t block = 0; block < weights_.blocks(); ++block)
        each_tile(count, [&](std::int64_t row, std::int64_t rows) {
          weights_.multiply(memory + weights_at_, block, left + row * left_.stride(), left_.stride(), rows,
                            memory + sums_at_, 4 * lanes);
          with_lanes(sequence_.units - block * lanes, [&](const auto& part) __attribute__((always_inline)) {
            const std::int64_t t = sequence_.step(i), column = block * lanes;
            // All gates, then all states: a state waits for its gates, the next row's gates do not.
            at_.z.with_data([&](const auto* z) {
              at_.gates.with_data([&](auto* gates) {
                for (std::int64_t r = 0; r < rows; ++r)
                  open_gates(part, z, gates, at_.z.offset(first + row + r, t) + column,
                             memory + sums_at_ + r * 4 * lanes);
              });
            });
            for (std::int64_t r = 0; r < rows; ++r)
              step(part, first + row + r, row + r, t, column, memory + sums_at_ + r * 4 * lanes, next, memory);
          });
        });
      std::swap(left, next);
    }
    end(first, count, memory);
  }

  // One example's sums become gates, for a vector of units.
  template <typename Lanes, typename Z, typename Gate>
  [[gnu::always_inline]] void open_gates(const Lanes& part, const Z* z, Gate* to, std::int64_t at, float* sums) const {
    const std::int64_t units = sequence_.units;
    floats gates[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) gates[k] = load(sums + k * lanes) + part.load(z + at + k * units);
    cell_.bend_gates(gates);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      store(sums + k * lanes, gates[k]);
      if (to) part.store(to + at + k * units, gates[k]);
    }
  }

  // One example's step for a vector of units.
  template <typename Lanes>
  [[gnu::always_inline]] void step(const Lanes& part, std::int64_t b, std::int64_t row, std::int64_t t,
                                   std::int64_t column, const float* open, float* next, float* memory) const {
    floats gates[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) gates[k] = load(open + k * lanes);
    float* const h_at = memory + h_at_ + row * row_ + column;
    float* const c_at = memory + c_at_ + row * row_ + column;
    floats c = gates[1] * load(c_at) + gates[0] * gates[2];
    floats h = gates[3] * bend(cell_.activation, c);
    if (!sequence_.counts(b, t)) {
      h = load(h_at);
      c = load(c_at);
    }
    store(h_at, h);
    store(c_at, c);
    at_.h.store(part, b, t, column, h);
    at_.c.store(part, b, t, column, c);
    left_.store(next, part, row, column, sequence_.met(part, b, column, h));
  }

  void begin(std::int64_t first, std::int64_t count, float* left, float* memory) const {
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      const floats h = at_.first_h.load(part, first + row, 0, column);
      store(memory + h_at_ + row * row_ + column, h);
      store(memory + c_at_ + row * row_ + column, at_.first_c.load(part, first + row, 0, column));
      left_.store(left, part, row, column, sequence_.met(part, first + row, column, h));
    });
  }
  void end(std::int64_t first, std::int64_t count, const float* memory) const {
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      at_.last_h.store(part, first + row, 0, column, load(memory + h_at_ + row * row_ + column));
      at_.last_c.store(part, first + row, 0, column, load(memory + c_at_ + row * row_ + column));
    });
  }

  LstmCell cell_;
  Operands at_;
  Weights weights_;
  LeftRows left_;
  std::int64_t weights_at_, left_at_, h_at_, c_at_, sums_at_;
};

// u, first h and c, h, c, gates, mask?, dropout?, the derivatives → dz, the derivatives of the first h and c, and
// `met`, what was multiplied with u at each step.
class LstmGradient final : public Recurrence {
 public:
  struct Operands {
    Operand u;  // transposed: [4·units, units]
    Rows first_h, first_c, h, c, gates, dh, dc, dgates, dh_last, dc_last;
    Rows dz, dh_first, dc_first, met;
  };

  LstmGradient(const Sequence& sequence, const LstmCell& cell, const Operands& operands, int threads)
      : Recurrence(sequence), cell_(cell), at_(operands) {
    const std::int64_t units = sequence.units;
    weights_ = Weights(at_.u, 4 * units, units, 1);
    left_ = LeftRows(4 * units, weights_.pairs());
    weights_at_ = reserve(weights_.size());
    left_at_ = reserve(chunk_rows * left_.stride());
    dh_at_ = reserve(2 * chunk_rows * row_);
    dc_at_ = reserve(chunk_rows * row_);
    allocate(weights_.multiplications(), threads);
  }

 private:
  void prepare(float* memory) override { weights_.pack(memory + weights_at_); }

  void run_rows(std::int64_t first, std::int64_t count, float* memory) override {
    float *left = memory + left_at_, *dh = memory + dh_at_, *before = dh + chunk_rows * row_;
    float* const dc = memory + dc_at_;
    std::fill_n(left, chunk_rows * left_.stride(), 0.0f);
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      store(dh + row * row_ + column, at_.dh_last.load_or_zero(part, first + row, 0, column));
      store(dc + row * row_ + column, at_.dc_last.load_or_zero(part, first + row, 0, column));
    });
    for (std::int64_t i = sequence_.steps - 1; i >= 0; --i) {
      each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column)
                            __attribute__((always_inline)) { step(part, first + row, row, i, column, dh, dc, left); });
      if (i > 0 || at_.dh_first) {
        multiply_all(weights_, memory + weights_at_, left, left_.stride(), count, before);
        pass(first, count, sequence_.step(i), dh, before);
      }
      std::swap(dh, before);
    }
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      at_.dh_first.store(part, first + row, 0, column, load(dh + row * row_ + column));
      at_.dc_first.store(part, first + row, 0, column, load(dc + row * row_ + column));
    });
  }

  // The derivatives of one example's gates in its i-th step, for a vector of units.
  template <typename Lanes>
  [[gnu::always_inline]] void step(const Lanes& part, std::int64_t b, std::int64_t row, std::int64_t i,
                                   std::int64_t column, float* dh_all, float* dc_all, float* left) const {
    const std::int64_t units = sequence_.units, t = sequence_.step(i), p = sequence_.before(i);
    float* const dh_at = dh_all + row * row_ + column;
    float* const dc_at = dc_all + row * row_ + column;
    floats dh = load(dh_at) + at_.dh.load_or_zero(part, b, t, column);
    floats dc = load(dc_at) + at_.dc.load_or_zero(part, b, t, column);
    const bool counts = sequence_.counts(b, t);
    floats gates[4], parts[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) gates[k] = at_.gates.load(part, b, t, k * units + column);
    const floats curve = bend(cell_.activation, at_.c.load(part, b, t, column));
    const floats c_before = p < 0 ? at_.first_c.load(part, b, 0, column) : at_.c.load(part, b, p, column);
    store(dh_at, dh);
    if (counts) {
      dc += dh * gates[3] * slope(cell_.activation, curve);
      parts[0] = dc * gates[2];
      parts[1] = dc * c_before;
      parts[2] = dc * gates[0];
      parts[3] = dh * curve;
      dc *= gates[1];
    } else {
      parts[0] = parts[1] = parts[2] = parts[3] = floats{};
    }
    store(dc_at, dc);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const std::int64_t place = k * units + column;
      const floats dz = (parts[k] + at_.dgates.load_or_zero(part, b, t, place)) * cell_.gate_slope(k, gates[k]);
      at_.dz.store(part, b, t, place, dz);
      left_.store(left, part, row, place, dz);
    }
    if (at_.met) {
      const floats h = p < 0 ? at_.first_h.load(part, b, 0, column) : at_.h.load(part, b, p, column);
      at_.met.store(part, b, t, column, sequence_.met(part, b, column, h));
    }
  }

  LstmCell cell_;
  Operands at_;
  Weights weights_;
  LeftRows left_;
  std::int64_t weights_at_, left_at_, dh_at_, dc_at_;
};

}  // namespace pellucid::PELLUCID_LEVEL

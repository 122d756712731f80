// The gated recurrent unit, forward and backward. Gates stand in Keras's order: update s, reset r, candidate g; behind
// them what the reset gate acts with, h·u + b of the candidate or, with the reset before the product, r·h.
#pragma once

#include "recurrent_parts.hpp"

namespace pellucid::PELLUCID_LEVEL {

struct GruCell {
  Bend activation, recurrent_activation;
  bool reset_after;
};

// z, u, b, h, mask?, dropout? → h and gates over time, the last h.
class Gru final : public Recurrence {
 public:
  struct Operands {
    Operand u;
    const float* bias;
    Rows z, first_h, h, gates, last_h;
  };

  Gru(const Sequence& sequence, const GruCell& cell, const Operands& operands, int threads)
      : Recurrence(sequence), cell_(cell), at_(operands) {
    const std::int64_t units = sequence.units;
    weights_ = Weights(at_.u, units, units, cell.reset_after ? 3 : 2);
    Operand candidate = at_.u;
    candidate.data = offset(candidate.data, candidate.dtype, 2 * units);
    if (!cell.reset_after) last_weights_ = Weights(candidate, units, units, 1);
    left_ = LeftRows(units, weights_.pairs());
    weights_at_ = reserve(weights_.size());
    last_weights_at_ = reserve(cell.reset_after ? 0 : last_weights_.size());
    left_at_ = reserve(2 * chunk_rows * left_.stride());
    h_at_ = reserve(chunk_rows * row_);
    update_at_ = reserve(chunk_rows * row_);
    candidate_at_ = reserve(cell.reset_after ? 0 : chunk_rows * row_);
    sums_at_ = reserve(tile_rows * weights_.columns());
    allocate(weights_.multiplications(), threads);
  }

 private:
  void prepare(float* memory) override {
    weights_.pack(memory + weights_at_);
    if (!cell_.reset_after) last_weights_.pack(memory + last_weights_at_);
  }

  void run_rows(std::int64_t first, std::int64_t count, float* memory) override {
    const std::int64_t left_size = chunk_rows * left_.stride();
    float *left = memory + left_at_, *next = left + left_size;
    std::fill_n(left, 2 * left_size, 0.0f);
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      keep(part, first + row, row, column, at_.first_h.load(part, first + row, 0, column), left, memory);
    });
    for (std::int64_t i = 0; i < sequence_.steps; ++i) {
      const std::int64_t t = sequence_.step(i);
      for (std::int64_t block = 0; block < weights_.blocks(); ++block)
        each_tile(count, [&](std::int64_t row, std::int64_t rows) {
          const std::int64_t wide = weights_.columns();
          weights_.multiply(memory + weights_at_, block, left + row * left_.stride(), left_.stride(), rows,
                            memory + sums_at_, wide);
          with_lanes(sequence_.units - block * lanes, [&](const auto& part) __attribute__((always_inline)) {
            for (std::int64_t r = 0; r < rows; ++r)
              gate(part, first + row + r, row + r, t, block * lanes, memory + sums_at_ + r * wide, next, memory);
          });
        });
      if (!cell_.reset_after) {
        multiply_all(last_weights_, memory + last_weights_at_, next, left_.stride(), count, memory + candidate_at_);
        each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
          const floats sum = load(memory + candidate_at_ + row * row_ + column) + bias(part, 2, column);
          finish(part, first + row, row, t, column, sum, left, memory);
        });
      } else {
        std::swap(left, next);
      }
    }
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      at_.last_h.store(part, first + row, 0, column, load(memory + h_at_ + row * row_ + column));
    });
  }

  template <typename Lanes>
  floats bias(const Lanes& part, int which, std::int64_t column) const {
    return part.load(at_.bias + which * sequence_.units + column);
  }

  // The gates of one example's step, for a vector of units; with the reset after the product also the new state.
  template <typename Lanes>
  [[gnu::always_inline]] void gate(const Lanes& part, std::int64_t b, std::int64_t row, std::int64_t t,
                                   std::int64_t column, const float* sums, float* next, float* memory) const {
    const std::int64_t units = sequence_.units;
    floats gates[2];
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      const floats sum = load(sums + k * lanes) + bias(part, k, column);
      gates[k] = bend(cell_.recurrent_activation, at_.z.load(part, b, t, k * units + column) + sum);
      at_.gates.store(part, b, t, k * units + column, gates[k]);
    }
    store(memory + update_at_ + row * row_ + column, gates[0]);
    if (cell_.reset_after) {
      const floats acted = load(sums + 2 * lanes) + bias(part, 2, column);
      at_.gates.store(part, b, t, 3 * units + column, acted);
      finish(part, b, row, t, column, gates[1] * acted, next, memory);
    } else {
      const floats acted = gates[1] * sequence_.met(part, b, column, load(memory + h_at_ + row * row_ + column));
      at_.gates.store(part, b, t, 3 * units + column, acted);
      left_.store(next, part, row, column, acted);
    }
  }

  // The candidate, from z and what the reset gate lets through, and the new state.
  template <typename Lanes>
  [[gnu::always_inline]] void finish(const Lanes& part, std::int64_t b, std::int64_t row, std::int64_t t,
                                     std::int64_t column, floats through, float* left, float* memory) const {
    const std::int64_t place = 2 * sequence_.units + column;
    const floats g = bend(cell_.activation, at_.z.load(part, b, t, place) + through);
    at_.gates.store(part, b, t, place, g);
    const floats s = load(memory + update_at_ + row * row_ + column);
    const floats before = load(memory + h_at_ + row * row_ + column);
    const floats h = sequence_.counts(b, t) ? s * before + (1.0f - s) * g : before;
    at_.h.store(part, b, t, column, h);
    keep(part, b, row, column, h, left, memory);
  }

  template <typename Lanes>
  void keep(const Lanes& part, std::int64_t b, std::int64_t row, std::int64_t column, floats h, float* left,
            float* memory) const {
    store(memory + h_at_ + row * row_ + column, h);
    left_.store(left, part, row, column, sequence_.met(part, b, column, h));
  }

  GruCell cell_;
  Operands at_;
  Weights weights_, last_weights_;  // of all gates, or of the two first and of the candidate
  LeftRows left_;
  std::int64_t weights_at_, last_weights_at_, left_at_, h_at_, update_at_, candidate_at_, sums_at_;
};

// u, first h, h, gates, mask?, dropout?, the derivatives → dz, dsums, the derivative of the first h, and `met`.
class GruGradient final : public Recurrence {
 public:
  struct Operands {
    Operand u;  // transposed: [3·units, units]
    Rows first_h, h, gates, dh, dgates, dh_last;
    Rows dz, dsums, dh_first, met;
  };

  GruGradient(const Sequence& sequence, const GruCell& cell, const Operands& operands, int threads)
      : Recurrence(sequence), cell_(cell), at_(operands) {
    const std::int64_t units = sequence.units, inner = (cell.reset_after ? 3 : 2) * units;
    weights_ = Weights(at_.u, inner, units, 1);
    Operand candidate = at_.u;
    candidate.data = offset(candidate.data, candidate.dtype, 2 * units * candidate.inner);
    if (!cell.reset_after) last_weights_ = Weights(candidate, units, units, 1);
    left_ = LeftRows(inner, weights_.pairs());
    last_left_ = LeftRows(units, weights_.pairs());
    weights_at_ = reserve(weights_.size());
    last_weights_at_ = reserve(cell.reset_after ? 0 : last_weights_.size());
    left_at_ = reserve(chunk_rows * left_.stride());
    last_left_at_ = reserve(cell.reset_after ? 0 : chunk_rows * last_left_.stride());
    dh_at_ = reserve(2 * chunk_rows * row_);
    dacted_at_ = reserve(chunk_rows * row_);
    allocate(weights_.multiplications(), threads);
  }

 private:
  void prepare(float* memory) override {
    weights_.pack(memory + weights_at_);
    if (!cell_.reset_after) last_weights_.pack(memory + last_weights_at_);
  }

  void run_rows(std::int64_t first, std::int64_t count, float* memory) override {
    float *left = memory + left_at_, *dh = memory + dh_at_, *before = dh + chunk_rows * row_;
    float *last_left = memory + last_left_at_, *dacted = memory + dacted_at_;
    std::fill_n(left, chunk_rows * left_.stride(), 0.0f);
    if (!cell_.reset_after) std::fill_n(last_left, chunk_rows * last_left_.stride(), 0.0f);
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      store(dh + row * row_ + column, at_.dh_last.load_or_zero(part, first + row, 0, column));
    });
    for (std::int64_t i = sequence_.steps - 1; i >= 0; --i) {
      const std::int64_t t = sequence_.step(i);
      each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) __attribute__((always_inline)) {
        step(part, first + row, row, i, column, dh, left, last_left);
      });
      if (!cell_.reset_after) {
        multiply_all(last_weights_, memory + last_weights_at_, last_left, last_left_.stride(), count, dacted);
        each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
          reset_before(part, first + row, row, i, column, dacted, left);
        });
      }
      multiply_all(weights_, memory + weights_at_, left, left_.stride(), count, before);
      each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
        const std::int64_t b = first + row, place = row * row_ + column;
        floats dmet = load(before + place);
        if (!cell_.reset_after) dmet += load(dacted + place) * at_.gates.load(part, b, t, sequence_.units + column);
        const floats kept = sequence_.counts(b, t) ? at_.gates.load(part, b, t, column) : splat(1.0f);
        store(before + place, sequence_.met(part, b, column, dmet) + load(dh + place) * kept);
      });
      std::swap(dh, before);
    }
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      at_.dh_first.store(part, first + row, 0, column, load(dh + row * row_ + column));
    });
  }

  template <typename Lanes>
  floats state_before(const Lanes& part, std::int64_t b, std::int64_t i, std::int64_t column) const {
    const std::int64_t p = sequence_.before(i);
    return p < 0 ? at_.first_h.load(part, b, 0, column) : at_.h.load(part, b, p, column);
  }

  // The derivatives of one example's gates in its i-th step, for a vector of units: all but what waits for a product
  // where the reset comes before it.
  template <typename Lanes>
  [[gnu::always_inline]] void step(const Lanes& part, std::int64_t b, std::int64_t row, std::int64_t i,
                                   std::int64_t column, float* dh_all, float* left, float* last_left) const {
    const std::int64_t units = sequence_.units, t = sequence_.step(i);
    float* const dh_at = dh_all + row * row_ + column;
    const floats dh = load(dh_at) + at_.dh.load_or_zero(part, b, t, column);
    store(dh_at, dh);
    const floats kept = sequence_.counts(b, t) ? dh : floats{};
    const auto gate = [&](int k) { return at_.gates.load(part, b, t, k * units + column); };
    const auto given = [&](int k) { return at_.dgates.load_or_zero(part, b, t, k * units + column); };
    const floats s = gate(0), r = gate(1), g = gate(2), before = state_before(part, b, i, column);
    const floats ds = (kept * (before - g) + given(0)) * slope(cell_.recurrent_activation, s);
    const floats dg = (kept * (1.0f - s) + given(2)) * slope(cell_.activation, g);
    put(part, b, row, t, column, 0, ds, left);
    at_.dz.store(part, b, t, 2 * units + column, dg);
    if (at_.met) at_.met.store(part, b, t, column, sequence_.met(part, b, column, before));
    if (cell_.reset_after) {
      const floats dacted = dg * r + given(3);
      put(part, b, row, t, column, 1, (dg * gate(3) + given(1)) * slope(cell_.recurrent_activation, r), left);
      at_.dsums.store(part, b, t, 2 * units + column, dacted);
      left_.store(left, part, row, 2 * units + column, dacted);
    } else {
      at_.dsums.store(part, b, t, 2 * units + column, dg);
      last_left_.store(last_left, part, row, column, dg);
    }
  }

  template <typename Lanes>
  void reset_before(const Lanes& part, std::int64_t b, std::int64_t row, std::int64_t i, std::int64_t column,
                    float* dacted_all, float* left) const {
    const std::int64_t units = sequence_.units, t = sequence_.step(i);
    float* const at = dacted_all + row * row_ + column;
    const floats dacted = load(at) + at_.dgates.load_or_zero(part, b, t, 3 * units + column);
    store(at, dacted);
    const floats met = sequence_.met(part, b, column, state_before(part, b, i, column));
    const floats given = at_.dgates.load_or_zero(part, b, t, units + column);
    const floats r = at_.gates.load(part, b, t, units + column);
    put(part, b, row, t, column, 1, (dacted * met + given) * slope(cell_.recurrent_activation, r), left);
  }

  // A derivative that z, and u and b, share.
  template <typename Lanes>
  void put(const Lanes& part, std::int64_t b, std::int64_t row, std::int64_t t, std::int64_t column, int which,
           floats x, float* left) const {
    const std::int64_t place = which * sequence_.units + column;
    at_.dz.store(part, b, t, place, x);
    at_.dsums.store(part, b, t, place, x);
    left_.store(left, part, row, place, x);
  }

  GruCell cell_;
  Operands at_;
  Weights weights_, last_weights_;
  LeftRows left_, last_left_;
  std::int64_t weights_at_, last_weights_at_, left_at_, last_left_at_, dh_at_, dacted_at_;
};

}  // namespace pellucid::PELLUCID_LEVEL

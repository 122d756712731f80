// The simple recurrent cell, forward and backward.
#pragma once

#include "recurrent_parts.hpp"

namespace pellucid::PELLUCID_LEVEL {

// z, u, h, mask?, dropout? → h over time, the last h.
class SimpleRnn final : public Recurrence {
 public:
  struct Operands {
    Operand u;
    Rows z, first_h, h, last_h;
  };

  SimpleRnn(const Sequence& sequence, Bend activation, const Operands& operands, int threads)
      : Recurrence(sequence), activation_(activation), at_(operands) {
    weights_ = Weights(at_.u, sequence.units, sequence.units, 1);
    left_ = LeftRows(sequence.units, weights_.pairs());
    weights_at_ = reserve(weights_.size());
    left_at_ = reserve(chunk_rows * left_.stride());
    h_at_ = reserve(chunk_rows * row_);
    sums_at_ = reserve(chunk_rows * row_);
    allocate(weights_.multiplications(), threads);
  }

 private:
  void prepare(float* memory) override { weights_.pack(memory + weights_at_); }

  void run_rows(std::int64_t first, std::int64_t count, float* memory) override {
    float *left = memory + left_at_, *h_all = memory + h_at_, *sums = memory + sums_at_;
    std::fill_n(left, chunk_rows * left_.stride(), 0.0f);
    const auto keep = [&](const auto& part, std::int64_t row, std::int64_t column, floats h) {
      store(h_all + row * row_ + column, h);
      left_.store(left, part, row, column, sequence_.met(part, first + row, column, h));
    };
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      keep(part, row, column, at_.first_h.load(part, first + row, 0, column));
    });
    for (std::int64_t i = 0; i < sequence_.steps; ++i) {
      const std::int64_t t = sequence_.step(i);
      multiply_all(weights_, memory + weights_at_, left, left_.stride(), count, sums);
      each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
        const std::int64_t place = row * row_ + column;
        floats h = bend(activation_, load(sums + place) + at_.z.load(part, first + row, t, column));
        if (!sequence_.counts(first + row, t)) h = load(h_all + place);
        at_.h.store(part, first + row, t, column, h);
        keep(part, row, column, h);
      });
    }
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      at_.last_h.store(part, first + row, 0, column, load(h_all + row * row_ + column));
    });
  }

  Bend activation_;
  Operands at_;
  Weights weights_;
  LeftRows left_;
  std::int64_t weights_at_, left_at_, h_at_, sums_at_;
};

// u, first h, h, mask?, dropout?, the derivatives → dz, the derivative of the first h, and `met`.
class SimpleRnnGradient final : public Recurrence {
 public:
  struct Operands {
    Operand u;  // transposed
    Rows first_h, h, dh, dh_last;
    Rows dz, dh_first, met;
  };

  SimpleRnnGradient(const Sequence& sequence, Bend activation, const Operands& operands, int threads)
      : Recurrence(sequence), activation_(activation), at_(operands) {
    weights_ = Weights(at_.u, sequence.units, sequence.units, 1);
    left_ = LeftRows(sequence.units, weights_.pairs());
    weights_at_ = reserve(weights_.size());
    left_at_ = reserve(chunk_rows * left_.stride());
    dh_at_ = reserve(2 * chunk_rows * row_);
    allocate(weights_.multiplications(), threads);
  }

 private:
  void prepare(float* memory) override { weights_.pack(memory + weights_at_); }

  void run_rows(std::int64_t first, std::int64_t count, float* memory) override {
    float *left = memory + left_at_, *dh_all = memory + dh_at_, *before = dh_all + chunk_rows * row_;
    std::fill_n(left, chunk_rows * left_.stride(), 0.0f);
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      store(dh_all + row * row_ + column, at_.dh_last.load_or_zero(part, first + row, 0, column));
    });
    for (std::int64_t i = sequence_.steps - 1; i >= 0; --i) {
      const std::int64_t t = sequence_.step(i), p = sequence_.before(i);
      each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
        const std::int64_t b = first + row;
        float* const dh_at = dh_all + row * row_ + column;
        const floats dh = load(dh_at) + at_.dh.load_or_zero(part, b, t, column);
        store(dh_at, dh);
        const floats dz = sequence_.counts(b, t) ? dh * slope(activation_, at_.h.load(part, b, t, column)) : floats{};
        at_.dz.store(part, b, t, column, dz);
        left_.store(left, part, row, column, dz);
        if (at_.met) {
          const floats h = p < 0 ? at_.first_h.load(part, b, 0, column) : at_.h.load(part, b, p, column);
          at_.met.store(part, b, t, column, sequence_.met(part, b, column, h));
        }
      });
      if (i > 0 || at_.dh_first) {
        multiply_all(weights_, memory + weights_at_, left, left_.stride(), count, before);
        pass(first, count, t, dh_all, before);
      }
      std::swap(dh_all, before);
    }
    each_state(count, [&](const auto& part, std::int64_t row, std::int64_t column) {
      at_.dh_first.store(part, first + row, 0, column, load(dh_all + row * row_ + column));
    });
  }

  Bend activation_;
  Operands at_;
  Weights weights_;
  LeftRows left_;
  std::int64_t weights_at_, left_at_, dh_at_;
};

}  // namespace pellucid::PELLUCID_LEVEL

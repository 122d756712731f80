// Softmax and the cross-entropy of integer labels, with their gradients, row by row over the last axis. The row's
// maximum is subtracted first, so that no logit overflows.
#include <algorithm>
#include <atomic>
#include <type_traits>

#include "rows.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

template <typename T>
float row_maximum(const T* x, std::int64_t size) {
  floats top = splat(-infinity);
  each_vector(size, [&](std::int64_t i, auto at) { top = maximum(top, at.fill(at.load(x + i), -infinity)); });
  return across_lanes(top, [](floats a, floats b) { return maximum(a, b); })[0];
}

template <typename T>
float row_exponentials(const T* x, std::int64_t size, float top) {  // Σ exp(x - top)
  return sum_over(size, [&](std::int64_t i, auto at) { return exp(at.load(x + i) - top); });
}

// y = softmax(x); gives the sum of exponentials back.
template <typename T, typename U>
float row_softmax(const T* x, U* y, std::int64_t size, float top) {
  if constexpr (std::is_same_v<U, float>) {  // the exponentials wait in y for their sum
    const float total = sum_over(size, [&](std::int64_t i, auto at) {
      const floats e = exp(at.load(x + i) - top);
      at.store(y + i, e);
      return e;
    });
    each_vector(size, [&, scale = 1.0f / total](std::int64_t i, auto at) { at.store(y + i, at.load(y + i) * scale); });
    return total;
  } else {
    const float total = row_exponentials(x, size, top);
    each_vector(size, [&, scale = 1.0f / total](std::int64_t i, auto at) {
      at.store(y + i, exp(at.load(x + i) - top) * scale);
    });
    return total;
  }
}

// Rows that fit one vector, a vector of them at a time: transposed, so that lanes are rows and no fold is needed.
template <typename T, typename U>
void short_softmax(const T* x, U* y, std::int64_t size, std::int64_t rows, float* tops, float* totals) {
  const Tail tail(size);
  floats columns[lanes]{};
  for (std::int64_t i = 0; i < rows; ++i) columns[i] = tail.load(x + i * size);
  transpose(columns);
  floats top = columns[0], total{};
  for (std::int64_t j = 1; j < size; ++j) top = maximum(top, columns[j]);
  for (std::int64_t j = 0; j < size; ++j) total += columns[j] = exp(columns[j] - top);
  store(tops, top);
  store(totals, total);
  if (!y) return;
  const floats scale = 1.0f / total;
  for (std::int64_t j = 0; j < size; ++j) columns[j] *= scale;
  transpose(columns);
  for (std::int64_t i = 0; i < rows; ++i) tail.store(y + i * size, columns[i]);
}

// y = softmax(x) for at most `lanes` rows, with each row's maximum and sum of exponentials; y may be absent.
template <typename T, typename U>
void softmax(const T* x, U* y, std::int64_t size, std::int64_t rows, float* tops, float* totals) {
  if (size <= lanes) return short_softmax(x, y, size, rows, tops, totals);
  for (std::int64_t i = 0; i < rows; ++i, x += size) {
    tops[i] = row_maximum(x, size);
    totals[i] = y ? row_softmax(x, y + i * size, size, tops[i]) : row_exponentials(x, size, tops[i]);
  }
}

template <typename T, typename U>
void log_softmax(const T* x, U* y, std::int64_t size) {
  const float top = row_maximum(x, size);
  const float total = log(splat(row_exponentials(x, size, top)))[0];
  each_vector(size, [&](std::int64_t i, auto at) { at.store(y + i, (at.load(x + i) - top) - total); });
}

// dx = y·(g - Σ g·y)
template <typename T, typename U, typename V>
void softmax_gradient(const T* g, const U* y, V* dx, std::int64_t size) {
  const float total = sum_over(size, [&](std::int64_t i, auto at) { return at.load(g + i) * at.load(y + i); });
  each_vector(size, [&](std::int64_t i, auto at) { at.store(dx + i, at.load(y + i) * (at.load(g + i) - total)); });
}

// dx = g - exp(y)·Σ g
template <typename T, typename U, typename V>
void log_softmax_gradient(const T* g, const U* y, V* dx, std::int64_t size) {
  const float total = sum_over(size, [&](std::int64_t i, auto at) { return at.load(g + i); });
  each_vector(size, [&](std::int64_t i, auto at) { at.store(dx + i, at.load(g + i) - exp(at.load(y + i)) * total); });
}

constexpr double exponential_cost = 0.4, plain_cost = 0.1;  // nanoseconds per number, roughly

std::unique_ptr<Kernel> make_softmax(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 1 && outputs.size() == 1, "softmax takes x and gives y");
  const auto [rows, size] = table_of(inputs[0], outputs[0]);
  return with_types(
      [&, rows = rows, size = size](auto* x, auto* y) {
        return over_rows(rows, size, exponential_cost, context, [=](std::int64_t row, std::int64_t end) {
          float tops[lanes], totals[lanes];
          for (; row < end; row += lanes)
            softmax(x + row * size, y + row * size, size, std::min(lanes, end - row), tops, totals);
        });
      },
      inputs[0], outputs[0]);
}

std::unique_ptr<Kernel> make_log_softmax(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 1 && outputs.size() == 1, "log_softmax takes x and gives y");
  const auto [rows, size] = table_of(inputs[0], outputs[0]);
  return with_types(
      [&, rows = rows, size = size](auto* x, auto* y) {
        return over_rows(rows, size, exponential_cost, context, [=](std::int64_t row, std::int64_t end) {
          for (; row < end; ++row) log_softmax(x + row * size, y + row * size, size);
        });
      },
      inputs[0], outputs[0]);
}

template <bool logarithm>
std::unique_ptr<Kernel> make_gradient_kind(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 2 && outputs.size() == 1, "softmax_gradient takes g and y and gives dx");
  const auto [rows, size] = table_of(inputs[0], inputs[1], outputs[0]);
  return with_types(
      [&, rows = rows, size = size](auto* g, auto* y, auto* dx) {
        return over_rows(rows, size, logarithm ? exponential_cost : plain_cost, context,
                         [=](std::int64_t row, std::int64_t end) {
                           for (; row < end; ++row) {
                             const std::int64_t at = row * size;
                             logarithm ? log_softmax_gradient(g + at, y + at, dx + at, size)
                                       : softmax_gradient(g + at, y + at, dx + at, size);
                           }
                         });
      },
      inputs[0], inputs[1], outputs[0]);
}

bool in_range(std::int32_t label, std::int64_t size, bool* bad_id) {
  if (label >= 0 && label < size) return true;
  std::atomic_ref<bool>(*bad_id).store(true, std::memory_order_relaxed);
  return false;
}

float number(float x) { return x; }
float number(bfloat16 x) { return to_float(x); }
void assign(float& to, float x) { to = x; }
void assign(bfloat16& to, float x) { to = to_bfloat16(x); }

void require_labels(const View& logits, const View& labels, const View& per_row) {
  require(logits.rank() >= 1 && labels.dtype == Dtype::int32 && per_row.dtype == Dtype::float32 &&
              labels.shape == Shape(logits.shape.begin(), logits.shape.end() - 1) && per_row.shape == labels.shape,
          "sparse_categorical_crossentropy takes one int32 label and one float32 loss or gradient per row");
}

// loss = ln Σ exp(x - top) - (x[label] - top); the logarithms are taken a vector of rows at a time.
std::unique_ptr<Kernel> make_crossentropy(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 2 && (outputs.size() == 1 || outputs.size() == 2),
          "sparse_categorical_crossentropy takes logits and labels, and gives the loss and perhaps probabilities");
  const View logits = inputs[0], probabilities = outputs.size() == 2 ? outputs[1] : View{};
  require_labels(logits, inputs[1], outputs[0]);
  const auto [rows, size] = probabilities ? table_of(logits, probabilities) : table_of(logits);
  return with_types(
      [&, labels = inputs[1].as<std::int32_t>(), loss = outputs[0].as<float>(), rows = rows, size = size](auto* x,
                                                                                                          auto* y) {
        return over_rows(rows, size, exponential_cost, context,
                         [=, bad_id = context.bad_id](std::int64_t begin, std::int64_t end) {
                           for (std::int64_t first = begin; first < end; first += lanes) {
                             const std::int64_t count = std::min(lanes, end - first);
                             float tops[lanes]{}, totals[lanes]{}, label_logits[lanes]{};
                             softmax(x + first * size, y ? y + first * size : y, size, count, tops, totals);
                             for (std::int64_t i = 0; i < count; ++i) {
                               const std::int64_t row = first + i;
                               if (in_range(labels[row], size, bad_id))
                                 label_logits[i] = number(x[row * size + labels[row]]) - tops[i];
                             }
                             Part(count).store(loss + first, log(load(totals)) - load(label_logits));
                           }
                         });
      },
      logits, probabilities);
}

// dlogits = g·(probabilities - one_hot(label))
std::unique_ptr<Kernel> make_crossentropy_gradient(const Attributes&, Views inputs, Views outputs,
                                                   const Context& context) {
  require(inputs.size() == 3 && outputs.size() == 1,
          "sparse_categorical_crossentropy_gradient takes g, probabilities and labels, and gives dlogits");
  require_labels(inputs[1], inputs[2], inputs[0]);
  const auto [rows, size] = table_of(inputs[1], outputs[0]);
  return with_types(
      [&, g = inputs[0].as<float>(), labels = inputs[2].as<std::int32_t>(), rows = rows, size = size](auto* y,
                                                                                                      auto* dx) {
        return over_rows(
            rows, size, plain_cost, context, [=, bad_id = context.bad_id](std::int64_t row, std::int64_t end) {
              for (; row < end; ++row) {
                const auto* from = y + row * size;
                auto* to = dx + row * size;
                // The memory may be that of any operand of this size: what the row needs of them is read first.
                const std::int32_t label = labels[row];
                const float factor = g[row];
                const bool good = in_range(label, size, bad_id);
                const float chosen = good ? number(from[label]) : 0.0f;
                each_vector(size, [&](std::int64_t i, auto at) { at.store(to + i, at.load(from + i) * factor); });
                if (good) assign(to[label], factor * (chosen - 1.0f));
              }
            });
      },
      inputs[1], outputs[0]);
}

constexpr Factory make_softmax_gradient = make_gradient_kind<false>,
                  make_log_softmax_gradient = make_gradient_kind<true>;

}  // namespace
REGISTER_KERNEL("softmax", make_softmax)
REGISTER_KERNEL("log_softmax", make_log_softmax)
REGISTER_KERNEL("softmax_gradient", make_softmax_gradient)
REGISTER_KERNEL("log_softmax_gradient", make_log_softmax_gradient)
REGISTER_KERNEL("sparse_categorical_crossentropy", make_crossentropy)
REGISTER_IN_PLACE_KERNEL("sparse_categorical_crossentropy_gradient", make_crossentropy_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

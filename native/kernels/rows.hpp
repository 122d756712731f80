// What kernels share that work row by row over the last axis: vectors of a row with its partly filled end, sums over a
// row, rows cut into parts for threads, and a function for the dtypes that the operands have. Kernel files only.
#pragma once

#include <algorithm>
#include <utility>

#include "../tail.hpp"
#include "../threads.hpp"
#include "../transpose.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

struct All : Whole {
  floats fill(floats x, float) const { return x; }
};

struct Part : Tail {
  explicit Part(std::int64_t count) : Tail(count), count_(static_cast<std::int32_t>(count)) {}
  floats fill(floats x, float rest) const {  // x with the lanes beyond the end replaced
    ints lane;
    for (std::int32_t i = 0; i < lanes; ++i) lane[i] = i;
    return lane < count_ ? x : splat(rest);
  }

 private:
  std::int32_t count_;
};

// visit(i, access) for i = 0, lanes, 2·lanes, … < size
template <typename Visit>
[[gnu::always_inline]] inline void each_vector(std::int64_t size, const Visit& visit) {
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) visit(i, All{});
  if (i < size) visit(i, Part(size - i));
}

// Σ term(i, access), in blocks: a long row's small terms are not lost in a large total.
template <typename Term>
[[gnu::always_inline]] inline float sum_over(std::int64_t size, const Term& term) {
  constexpr std::int64_t block = 64 * lanes;
  floats total{};
  for (std::int64_t start = 0; start < size; start += block) {
    floats part{};
    each_vector(std::min(block, size - start),
                [&](std::int64_t i, auto at) { part += at.fill(term(start + i, at), 0.0f); });
    total += part;
  }
  return across_lanes(total, [](floats a, floats b) { return a + b; })[0];
}

struct Table {
  std::int64_t rows, size;
};
// The rows along the last axis; every view must have the same shape.
template <typename... Same>
Table table_of(const View& x, const Same&... same) {
  require(x && x.rank() >= 1 && ((same && same.shape == x.shape) && ...), "takes operands of one shape");
  const std::int64_t size = x.shape.back();
  return {size == 0 ? 0 : x.size() / size, size};
}

// Work on rows, each on one thread: work(first row, row after the last).
template <typename Work>
struct Rows final : Kernel {
  Rows(Work w, std::int64_t n, std::int64_t size, double nanoseconds_per_number, int threads)
      : work(std::move(w)),
        rows(n),
        parts(threads_for(1e-3 * static_cast<double>(n) * (15.0 + nanoseconds_per_number * static_cast<double>(size)),
                          threads)) {}
  void run() override {
    parallel(parts, [this](int part) {
      const Range range = share(rows, part, parts);
      work(range.begin, range.end);
    });
  }
  Work work;
  std::int64_t rows;
  int parts;
};

template <typename Work>
std::unique_ptr<Kernel> over_rows(std::int64_t rows, std::int64_t size, double cost, const Context& context,
                                  Work work) {
  return std::make_unique<Rows<Work>>(std::move(work), rows, size, cost, context.threads);
}

// Calls use(pointers of the views' own types…).
template <typename Use>
std::unique_ptr<Kernel> with_types(const Use& use) {
  return use();
}
template <typename Use, typename... Rest>
std::unique_ptr<Kernel> with_types(const Use& use, const View& view, const Rest&... rest) {
  if (view.dtype == Dtype::float32)
    return with_types([&](auto*... others) { return use(view.as<float>(), others...); }, rest...);
  require(view.dtype == Dtype::bfloat16, "takes float32 or bfloat16");
  return with_types([&](auto*... others) { return use(view.as<bfloat16>(), others...); }, rest...);
}

}  // namespace
}  // namespace pellucid::PELLUCID_LEVEL

// Attention and its gradient for one pair of batch and head, a tile of queries at a time.
#pragma once

#include "attention_operands.hpp"

namespace pellucid::PELLUCID_LEVEL {

// Rows of scores are as long as the keys are many, and a little longer: vectors run over the end, and so do the tiles
// that read columns next to the diagonal.
inline std::int64_t score_columns(const Problem& p) { return round_up(p.keys, lanes) + tile_columns; }
// Where the zeros end that follow the scores of a tile whose last query sees so many keys.
inline std::int64_t filled(const Problem& p, std::int64_t seen) {
  return std::min(round_up(seen, lanes) + tile_columns, score_columns(p));
}

inline int tiles_of(std::int64_t rows) { return static_cast<int>((rows + tile_rows - 1) / tile_rows); }
// An even number of queries, but for the last: bfloat16 pairs them.
inline Range tile_range(Range rows, int tile, int tiles) {
  const Range range = share(rows.end - rows.begin, tile, tiles, 2);
  return {rows.begin + range.begin, rows.begin + range.end};
}

// Lane numbers j, j+1, … that are below the end, as 0 or -1.
inline ints below(std::int64_t j, std::int64_t end) {
  ints lane;
  for (std::int32_t i = 0; i < lanes; ++i) lane[i] = i;
  return lane < static_cast<std::int32_t>(std::min(lanes, end - j));
}

template <bool pairs>
class Forward {
 public:
  Forward(const Problem& p, const View& q, const View& k, const View& v, const View& mask, const View& y,
          const View& logsumexp)
      : problem(p), q_(q), k_(k), v_(v), y_(y), logsumexp_(logsumexp), mask_(mask) {}

  std::int64_t scratch_size() const {
    const Problem& p = problem;
    return Panels<pairs>::memory_size(p.size, p.keys) + Panels<pairs>::memory_size(p.keys, p.value_size) +
           tile_rows * score_columns(p) + p.queries * p.size;
  }

  void fetch(std::int64_t batch, std::int64_t head) const { fetch_matrices(batch, head, q_, k_, v_); }

  void run(std::int64_t batch, std::int64_t head, float* memory) const {
    const Problem& p = problem;
    const std::int64_t columns = score_columns(p);
    const Panels<pairs> k(memory, p.size, p.keys), v(k.end(), p.keys, p.value_size);
    float* const scores = v.end();
    k.take_transposed(matrix_of(k_, batch, head));
    v.take(matrix_of(v_, batch, head));
    const Rows q = rows_of<pairs>(matrix_of(q_, batch, head), p.queries, p.size, scores + tile_rows * columns);
    const Output y = output_of(matrix_of(y_, batch, head));

    const int tiles = tiles_of(p.queries);
    for (int t = 0; t < tiles; ++t) {
      const Range rows = tile_range({0, p.queries}, t, tiles);
      const std::int64_t seen = p.visible(rows.end - 1);
      multiply(q.from(rows.begin), k, {0, k.units}, {0, rows.end - rows.begin}, seen, false,
               output_of(scores, columns));
      for (std::int64_t i = rows.begin; i < rows.end; i += lanes)
        softmax({batch, head, i}, std::min(lanes, rows.end - i), seen, scores + (i - rows.begin) * columns);
      multiply({scores, columns, 1}, v, {0, Panels<pairs>::unit_count(seen)}, rows, p.value_size, false, y);
    }
  }

  Problem problem;

 private:
  // Scores of at most `lanes` queries become probabilities in the products' type, zero behind the keys that a query
  // sees. Each query's logsumexp, infinite where nothing is seen, is a lane.
  void softmax(Query query, std::int64_t count, std::int64_t tile_seen, float* scores) const {
    const std::int64_t columns = score_columns(problem), first = query.position;
    floats parts[lanes]{};
    const auto each_row = [&](const auto& work) __attribute__((always_inline)) {
      for (std::int64_t r = 0; r < count; ++r) work(r, problem.visible(first + r), scores + r * columns);
    };
    each_row([&](std::int64_t r, std::int64_t seen, float* row) {
      query.position = first + r;
      const MaskRow mask = mask_.row(query);
      floats tops = splat(-infinity);
      for (std::int64_t j = 0; j < seen; j += lanes) {
        floats score = load(row + j) * problem.scale;
        if (mask) score = mask(j) ? score : splat(-infinity);
        if (j + lanes > seen) score = below(j, seen) ? score : splat(-infinity);
        store(row + j, score);
        tops = maximum(tops, score);
      }
      parts[r] = tops;
    });
    const floats tops = across_each(parts, [](floats a, floats b) { return maximum(a, b); });
    const floats origins = tops == -infinity ? floats{} : tops;
    std::fill(parts, parts + lanes, floats{});
    each_row([&](std::int64_t r, std::int64_t seen, float* row) {
      const floats origin = splat(origins[r]);
      for (std::int64_t j = 0; j < seen; j += lanes) {
        const floats e = exp_bounded(load(row + j) - origin);
        store(row + j, e);
        parts[r] += e;
      }
    });
    const floats totals = sum_of_each(parts), factors = totals == 0.0f ? floats{} : 1.0f / totals;
    each_row([&](std::int64_t r, std::int64_t seen, float* row) {
      const floats factor = splat(factors[r]);
      auto* const to = reinterpret_cast<std::conditional_t<pairs, bfloat16, float>*>(row);  // behind what is still read
      for (std::int64_t j = 0; j < seen; j += lanes) store(to + j, load(row + j) * factor);
      for (std::int64_t j = round_up(seen, lanes); j < tile_seen; j += lanes) store(to + j, floats{});
    });
    if (logsumexp_)
      Tail(count).store(logsumexp_.as<float>() + (query.batch * problem.heads + query.head) * problem.queries + first,
                        totals == 0.0f ? splat(infinity) : origins + log(totals));
  }

  View q_, k_, v_, y_, logsumexp_;
  Mask mask_;
};

// Blocks of queries whose probabilities and derivatives of scores stay in the second-level cache: what they add to the
// derivatives of k and v is added up in float32.
template <bool pairs>
class Backward {
 public:
  Backward(const Problem& p, const View& g, const View& q, const View& k, const View& v, const View& y,
           const View& logsumexp, const View& mask, const View& dq, const View& dk, const View& dv)
      : problem(p), g_(g), q_(q), k_(k), v_(v), y_(y), logsumexp_(logsumexp), dq_(dq), dk_(dk), dv_(dv), mask_(mask) {
    constexpr std::int64_t most_tiles = 72 / tile_rows;
    const std::int64_t tiles = std::clamp<std::int64_t>(score_numbers / (tile_rows * score_columns(p)), 1, most_tiles);
    blocks_ = static_cast<int>(std::max<std::int64_t>((p.queries + tiles * tile_rows - 1) / (tiles * tile_rows), 1));
    block_ = std::min(p.queries, tiles * tile_rows);
  }

  std::int64_t scratch_size() const {
    const Problem& p = problem;
    using Panel = Panels<pairs>;
    return Panel::memory_size(p.size, p.keys) + Panel::memory_size(p.value_size, p.keys) +
           Panel::memory_size(p.keys, p.size) + Panel::memory_size(block_, p.size) +
           Panel::memory_size(block_, p.value_size) + 2 * (block_ + tile_rows) * score_columns(p) +
           (p.keys + p.queries) * (p.size + p.value_size);
  }

  void fetch(std::int64_t batch, std::int64_t head) const { fetch_matrices(batch, head, g_, q_, k_, v_, y_); }

  void run(std::int64_t batch, std::int64_t head, float* memory) const {
    const Problem& p = problem;
    const std::int64_t columns = score_columns(p);
    const Panels<pairs> k_transposed(memory, p.size, p.keys), v_transposed(k_transposed.end(), p.value_size, p.keys),
        k(v_transposed.end(), p.keys, p.size);
    float* const probabilities = k.end();
    float* const derivatives = probabilities + block_ * columns;
    float* const tile_scores = derivatives + block_ * columns;  // pairs: in float32, before they are rounded
    float* const tile_products = tile_scores + tile_rows * columns;
    float* const dk = tile_products + tile_rows * columns;
    float* const dv = dk + p.keys * p.size;
    float* const copies = dv + p.keys * p.value_size;
    float* const block_panels = copies + p.queries * (p.size + p.value_size);
    const Matrix q_matrix = matrix_of(q_, batch, head), g_matrix = matrix_of(g_, batch, head);
    k_transposed.take_transposed(matrix_of(k_, batch, head));
    v_transposed.take_transposed(matrix_of(v_, batch, head));
    k.take(matrix_of(k_, batch, head));
    const Rows q = rows_of<pairs>(q_matrix, p.queries, p.size, copies);
    const Rows g = rows_of<pairs>(g_matrix, p.queries, p.value_size, copies + p.queries * p.size);
    const Output dq = output_of(matrix_of(dq_, batch, head));
    std::fill(dk, copies, 0.0f);

    for (int b = 0; b < blocks_; ++b) {
      const Range block = share(p.queries, b, blocks_, 2);
      const int tiles = tiles_of(block.end - block.begin);
      for (int t = 0; t < tiles; ++t) {
        const Range rows = tile_range(block, t, tiles), own{0, rows.end - rows.begin};
        const std::int64_t seen = p.visible(rows.end - 1), first = rows.begin - block.begin;
        float* const scores = pairs ? tile_scores : probabilities + first * columns;
        float* const products = pairs ? tile_products : derivatives + first * columns;
        multiply(q.from(rows.begin), k_transposed, {0, k_transposed.units}, own, seen, false,
                 output_of(scores, columns));
        multiply(g.from(rows.begin), v_transposed, {0, v_transposed.units}, own, seen, false,
                 output_of(products, columns));
        float totals[round_up(tile_rows, lanes)];
        for (std::int64_t i = rows.begin; i < rows.end; i += lanes)
          sum_products({batch, head, i}, std::min(lanes, rows.end - i), totals + (i - rows.begin));
        constexpr std::int64_t step = pairs ? 2 : 1;
        for (std::int64_t i = rows.begin; i < rows.end; i += step) {
          const std::int64_t at = (i - rows.begin) * columns, pair = (i - block.begin) / step * columns;
          const Query query{batch, head, i};
          if constexpr (pairs)
            differentiate_pair(query, totals + (i - rows.begin), i + 1 < rows.end, filled(p, seen), scores + at,
                               products + at, probabilities + pair, derivatives + pair);
          else
            differentiate(query, totals[i - rows.begin], filled(p, seen), scores + at, products + at);
        }
        multiply({pairs ? scores : products, columns, 1}, k, {0, Panels<pairs>::unit_count(seen)}, rows, p.size, false,
                 dq);
      }
      const std::int64_t height = block.end - block.begin;
      const Panels<pairs> q_block(block_panels, height, p.size), g_block(q_block.end(), height, p.value_size);
      q_block.take(q_matrix.from(block.begin));
      g_block.take(g_matrix.from(block.begin));
      add_products({probabilities, 1, columns}, g_block, block, output_of(dv, p.value_size));
      add_products({derivatives, 1, columns}, q_block, block, output_of(dk, p.size));
    }
    matrix_of(dk_, batch, head).take(dk, p.keys, p.size);
    matrix_of(dv_, batch, head).take(dv, p.keys, p.value_size);
  }

  Problem problem;

 private:
  static constexpr std::int64_t score_numbers = 64 * 1024;

  // A vector of probabilities and of the scores' derivatives.
  struct Derivative {
    floats p, ds;
  };

  // What one row of scores needs to become derivatives.
  struct Row {
    float logsumexp = 0.0f, total = 0.0f;  // total: Σ g·y
    std::int64_t seen = 0;
    MaskRow mask{};
  };

  // Σ g·y of at most `lanes` queries.
  void sum_products(const Query& query, std::int64_t count, float* totals) const {
    const Problem& p = problem;
    floats parts[lanes]{};
    for (std::int64_t r = 0; r < count; ++r) {
      const std::int64_t at = ((query.batch * p.queries + query.position + r) * p.heads + query.head) * p.value_size;
      for (std::int64_t j = 0; j < p.value_size; j += lanes) {
        const Tail tail(std::min(lanes, p.value_size - j));
        parts[r] += load_at(g_, at + j, tail) * load_at(y_, at + j, tail);
      }
    }
    store(totals, sum_of_each(parts));
  }

  Row row_of(const Query& query, float total) const {
    const std::int64_t at = (query.batch * problem.heads + query.head) * problem.queries + query.position;
    return {logsumexp_.as<float>()[at], total, problem.visible(query.position), mask_.row(query)};
  }

  [[gnu::always_inline]] Derivative derivative(const Row& row, std::int64_t j, floats score, floats product) const {
    floats p = exp_bounded(score * problem.scale - row.logsumexp);
    if (row.mask) p = row.mask(j) ? p : floats{};
    floats ds = p * (product - row.total) * problem.scale;
    if (j + lanes > row.seen) {
      const ints inside = below(j, row.seen);
      p = inside ? p : floats{};
      ds = inside ? ds : floats{};
    }
    return {p, ds};
  }

  void differentiate(const Query& query, float total, std::int64_t end, float* scores, float* products) const {
    const Row row = row_of(query, total);
    std::int64_t j = 0;
    for (; j < row.seen; j += lanes) {
      const auto [p, ds] = derivative(row, j, load(scores + j), load(products + j));
      store(scores + j, p);
      store(products + j, ds);
    }
    for (; j < end; j += lanes) {
      store(scores + j, floats{});
      store(products + j, floats{});
    }
  }

  // Two rows; their bfloat16 derivatives also as rows, in the place of the scores.
  void differentiate_pair(const Query& query, const float* totals, bool both, std::int64_t end, float* scores,
                          float* products, float* pair_probabilities, float* pair_derivatives) const {
    const std::int64_t columns = score_columns(problem);
    const Row even = row_of(query, totals[0]);
    const Row odd = both ? row_of({query.batch, query.head, query.position + 1}, totals[1]) : Row{};
    auto* const even_rows = reinterpret_cast<bfloat16*>(scores);
    auto* const odd_rows = reinterpret_cast<bfloat16*>(scores + columns);
    for (std::int64_t j = 0; j < end; j += lanes) {
      Derivative first{}, second{};
      if (j < even.seen) first = derivative(even, j, load(scores + j), load(products + j));
      if (j < odd.seen) second = derivative(odd, j, load(scores + columns + j), load(products + columns + j));
      store(pair_probabilities + j, join(first.p, second.p));
      store(pair_derivatives + j, join(first.ds, second.ds));
      store(even_rows + j, first.ds);
      if (both) store(odd_rows + j, second.ds);
    }
  }

  // y += xᵀ·w for the keys that the block's queries see.
  void add_products(const Rows& x, const Panels<pairs>& w, Range block, const Output& y) const {
    const std::int64_t seen = problem.visible(block.end - 1);
    const int tiles = tiles_of(seen);
    for (int t = 0; t < tiles; ++t) {
      const Range keys = share(seen, t, tiles);
      const std::int64_t first = problem.causal ? std::max<std::int64_t>(keys.begin - block.begin, 0) : 0;
      multiply({x.at + keys.begin, x.row, x.inner}, w, {first / Panels<pairs>::per_unit, w.units}, keys, w.columns,
               true, y);
    }
  }

  View g_, q_, k_, v_, y_, logsumexp_, dq_, dk_, dv_;
  Mask mask_;
  int blocks_ = 1;
  std::int64_t block_ = 0;
};

}  // namespace pellucid::PELLUCID_LEVEL

// Attention and its gradient without the matrix of scores in memory: the scores of a few rows at a time, in cache.
//
//     y[i] = Σⱼ p[i,j]·v[j],   p = softmax over the keys of scale·q·kᵀ,   logsumexp[i] = ln Σⱼ exp(scale·q[i]·k[j])
//
// The gradient computes p anew from q, k and the rows' logsumexp (Dao et al. 2022):
//
//     dv = pᵀ·g,   ds = scale·p·(g·vᵀ - Σ g·y),   dq = ds·k,   dk = dsᵀ·q
//
// One pair of batch and head is one piece of work for one thread, so that every sum has a fixed order. All products run
// on the tiles of gemm_tile.hpp; with causal scores, tiles above the diagonal are left out.
#include "attention_heads.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

constexpr double microseconds_per_multiplication = 1.0 / 16000;  // of one thread, roughly

bool is_float(const View& view) { return view.dtype == Dtype::float32 || view.dtype == Dtype::bfloat16; }

Problem problem_of(const Attributes& attributes, const View& q, const View& k, const View& v, const View& mask) {
  require(is_float(q) && is_float(k) && is_float(v) && q.rank() == 4 && k.rank() == 4 && v.rank() == 4,
          "attention takes q, k and v, float32 or bfloat16, of four axes [batch, positions, heads, size]");
  const Problem p{.batch = q.shape[0],
                  .heads = q.shape[2],
                  .queries = q.shape[1],
                  .keys = k.shape[1],
                  .size = q.shape[3],
                  .value_size = v.shape[3],
                  .causal = attributes.integer("causal", 0) != 0,
                  .scale = static_cast<float>(attributes.real("scale"))};
  if (k.shape != Shape{p.batch, p.keys, p.heads, p.size} || v.shape != Shape{p.batch, p.keys, p.heads, p.value_size})
    refuse("attention: q " + shape_text(q.shape) + ", k " + shape_text(k.shape) + " and v " + shape_text(v.shape) +
           " do not belong together");
  if (mask) {
    require(mask.dtype == Dtype::boolean && mask.rank() == 4, "attention: the mask is bool, of four axes");
    const Shape scores{p.batch, p.heads, p.queries, p.keys};
    for (std::size_t axis = 0; axis < 4; ++axis)
      require(mask.shape[axis] == 1 || mask.shape[axis] == scores[axis],
              "attention: the mask must broadcast to [batch, heads, queries, keys]");
  }
  return p;
}

// The work on all pairs of batch and head, one after another on each thread, with scratch memory of the thread's own.
template <typename Head>
class Heads final : public Kernel {
 public:
  Heads(const Head& head, double products, const Context& context) : head_(head), count_(head.problem.pairs()) {
    const Problem& p = head.problem;
    const double multiplications = products * static_cast<double>(p.queries * p.keys * (p.size + p.value_size));
    parts_ = threads_for(microseconds_per_multiplication * multiplications * static_cast<double>(count_),
                         static_cast<int>(std::min<std::int64_t>(context.threads, std::max<std::int64_t>(count_, 1))));
    size_ = round_up(head.scratch_size(), lanes);
    scratch_ = scratch(size_ * parts_);
  }

  void run() override {
    parallel(parts_, [this](int part) {
      const Range range = share(count_, part, parts_);
      for (std::int64_t i = range.begin; i < range.end; ++i) {
        if (i + 1 < range.end) head_.fetch((i + 1) / head_.problem.heads, (i + 1) % head_.problem.heads);
        head_.run(i / head_.problem.heads, i % head_.problem.heads, scratch_.get() + part * size_);
      }
    });
  }

 private:
  Head head_;
  std::int64_t count_, size_ = 0;
  int parts_ = 1;
  Scratch scratch_;
};

template <template <bool> class Head, typename... Arguments>
std::unique_ptr<Kernel> over_heads(bool pairs, double products, const Context& context, const Arguments&... arguments) {
  if constexpr (has_pairs)
    if (pairs) return std::make_unique<Heads<Head<true>>>(Head<true>(arguments...), products, context);
  return std::make_unique<Heads<Head<false>>>(Head<false>(arguments...), products, context);
}

// Whether all products are of bfloat16 pairs, read where the operands lie.
template <typename... Operands>
bool in_pairs(const Problem& p, const Operands&... operands) {
  return p.size % 2 == 0 && p.value_size % 2 == 0 && ((operands.dtype == Dtype::bfloat16) && ...);
}

// An output in the shape of the result; its buffer may have that of a value with axes swapped around one of size 1.
View result(View output, const Shape& shape) {
  View view{.shape = shape};
  require(is_float(output) && output.size() == view.size(), "attention: y, dq, dk and dv fit q, k and v");
  output.shape = shape;
  return output;
}

std::unique_ptr<Kernel> make_attention(const Attributes& attributes, Views inputs, Views outputs,
                                       const Context& context) {
  require((inputs.size() == 3 || inputs.size() == 4) && (outputs.size() == 1 || outputs.size() == 2),
          "attention takes q, k, v and perhaps a mask, and gives y and perhaps the rows' logsumexp");
  const View &q = inputs[0], &k = inputs[1], &v = inputs[2], mask = inputs.size() > 3 ? inputs[3] : View{};
  const View logsumexp = outputs.size() > 1 ? outputs[1] : View{};
  const Problem p = problem_of(attributes, q, k, v, mask);
  const View y = result(outputs[0], {p.batch, p.queries, p.heads, p.value_size});
  require(!logsumexp || (logsumexp.dtype == Dtype::float32 && logsumexp.shape == Shape{p.batch, p.heads, p.queries}),
          "attention: logsumexp is float32 [batch, heads, queries]");
  if (y.size() == 0) return nullptr;
  return over_heads<Forward>(in_pairs(p, q, k, v), 1, context, p, q, k, v, mask, y, logsumexp);
}

std::unique_ptr<Kernel> make_attention_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                                const Context& context) {
  require((inputs.size() == 6 || inputs.size() == 7) && outputs.size() == 3,
          "attention_gradient takes g, q, k, v, y, logsumexp and perhaps a mask, and gives dq, dk, dv");
  const View &g = inputs[0], &q = inputs[1], &k = inputs[2], &v = inputs[3], &y = inputs[4], &logsumexp = inputs[5];
  const View mask = inputs.size() > 6 ? inputs[6] : View{};
  const Problem p = problem_of(attributes, q, k, v, mask);
  require(is_float(g) && is_float(y) && g.shape == y.shape &&
              y.shape == Shape{p.batch, p.queries, p.heads, p.value_size} && logsumexp.dtype == Dtype::float32 &&
              logsumexp.shape == Shape{p.batch, p.heads, p.queries},
          "attention_gradient: g and y are [batch, queries, heads, size of v], logsumexp is [batch, heads, queries]");
  const View dq = result(outputs[0], q.shape), dk = result(outputs[1], k.shape), dv = result(outputs[2], v.shape);
  if (q.size() + k.size() + v.size() == 0) return nullptr;
  return over_heads<Backward>(in_pairs(p, q, k, v, g), 2.5, context, p, g, q, k, v, y, logsumexp, mask, dq, dk, dv);
}

}  // namespace
REGISTER_KERNEL("attention", make_attention)
REGISTER_KERNEL("attention_gradient", make_attention_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

// Products by oneDNN's matmul primitive: the way to a matrix unit (AMX), which only its generated code reaches.
#pragma once

#if defined(PELLUCID_ONEDNN)

#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "../threads.hpp"
#include "gemm_product.hpp"

namespace pellucid::PELLUCID_LEVEL {

// Operands of one dtype. What has no counterpart among oneDNN's post-operations takes a pass of its own: the mask, and
// an activation with its derivative.
class OneDnn final : public Kernel {
 public:
  OneDnn(const Product& p, int threads)
      : product_(p), threads_(threads), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using dnnl::memory;
    const auto describe = [](Dtype dtype, std::int64_t batch, std::int64_t distance, memory::dims dims,
                             memory::dims strides) {
      dims.insert(dims.begin(), distance == 0 ? 1 : batch);  // an operand without leading axes serves every product
      strides.insert(strides.begin(), distance == 0 ? dims[1] * dims[2] : distance);
      return memory::desc(dims, type(dtype), strides);
    };
    const memory::desc x = describe(p.x.dtype, p.batch, p.x_batch, {p.rows, p.inner}, {p.x.across, p.x.inner});
    const memory::desc w = describe(p.w.dtype, p.batch, p.w_batch, {p.inner, p.columns}, {p.w.inner, p.w.across});
    const auto like_y = [&](Dtype dtype) {
      return describe(dtype, p.batch, p.y_batch, {p.rows, p.columns}, {p.columns, 1});
    };
    const memory::desc y = like_y(p.output.derivative ? p.output.derivative_dtype : p.output.dtype);
    const memory::desc bias({1, 1, p.columns}, memory::data_type::f32, memory::format_tag::abc);

    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    dnnl::post_ops after;
    if (p.output.addend) after.append_binary(dnnl::algorithm::binary_add, like_y(p.output.addend_dtype));
    if (p.output.activation != Activation::none && !p.output.derivative)
      after.append_eltwise(algorithm(p.output.activation), 0.0f, 0.0f);
    attributes.set_post_ops(after);
    const ThreadCount count(threads_);
    using Description = dnnl::matmul::primitive_desc;
    const Description description =
        p.output.bias ? Description(engine_, x, w, bias, y, attributes) : Description(engine_, x, w, y, attributes);
    primitive_ = dnnl::matmul(description);

    const dnnl_dim_t bytes = static_cast<dnnl_dim_t>(description.scratchpad_desc().get_size());
    scratch_ = scratch(bytes / 4 + 1);
    arguments_ = {{DNNL_ARG_SRC, memory(x, engine_, const_cast<void*>(p.x.data))},
                  {DNNL_ARG_WEIGHTS, memory(w, engine_, const_cast<void*>(p.w.data))},
                  {DNNL_ARG_DST, memory(y, engine_, p.output.derivative ? p.output.derivative : p.output.y)},
                  {DNNL_ARG_SCRATCHPAD, memory(description.scratchpad_desc(), engine_, scratch_.get())}};
    if (p.output.addend)
      arguments_[DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1] =
          memory(like_y(p.output.addend_dtype), engine_, const_cast<void*>(p.output.addend));
    if (p.output.bias) arguments_[DNNL_ARG_BIAS] = memory(bias, engine_, const_cast<float*>(p.output.bias));
  }

  static bool takes(const Product& p) {
    const bool bfloat16_operands = p.x.dtype == Dtype::bfloat16 && p.w.dtype == Dtype::bfloat16;
    const bool all_float32 = p.x.dtype == p.w.dtype && p.w.dtype == p.output.dtype && p.x.dtype == Dtype::float32;
    return (bfloat16_operands || all_float32) && p.inner > 0;
  }

  void run() override {
    const ThreadCount count(threads_);
    primitive_.execute(stream_, arguments_);
    if (product_.output.mask || product_.output.derivative) finish();
  }

 private:
  // oneDNN takes as many threads as OpenMP would give to the caller.
  struct ThreadCount {
    explicit ThreadCount(int threads) : before(omp_get_max_threads()) { omp_set_num_threads(threads); }
    ~ThreadCount() { omp_set_num_threads(before); }
    ThreadCount(const ThreadCount&) = delete;
    ThreadCount& operator=(const ThreadCount&) = delete;
    int before;
  };

  static dnnl::memory::data_type type(Dtype dtype) {
    return dtype == Dtype::float32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
  }
  static dnnl::algorithm algorithm(Activation activation) {
    switch (activation) {
      case Activation::tanh: return dnnl::algorithm::eltwise_tanh;
      case Activation::sigmoid: return dnnl::algorithm::eltwise_logistic;
      case Activation::gelu: return dnnl::algorithm::eltwise_gelu_erf;
      default: return dnnl::algorithm::eltwise_relu;
    }
  }

  void finish() {
    const Output& output = product_.output;
    const std::int64_t size = product_.batch * product_.rows * product_.columns;
    const int parts = threads_for(static_cast<double>(size) * 1e-4, threads_);
    parallel(parts, [&](int part) {
      const Range range = share(size, part, parts, 64);
      for (std::int64_t i = range.begin; i < range.end; i += lanes) {
        const Tail tail(std::min(lanes, range.end - i));
        floats row[1], other[1];
        if (output.derivative) {  // it holds what the activation is applied to
          load_row(output.derivative, output.derivative_dtype, i, tail, row);
          const auto [y, derivative] = gelu(row[0]);
          row[0] = y;
          other[0] = derivative;
          store_row(output.derivative, output.derivative_dtype, i, tail, other);
        } else {
          load_row(output.y, output.dtype, i, tail, row);
        }
        if (output.mask) {
          load_row(output.mask, output.mask_dtype, i, tail, other);
          row[0] = masked(output, row[0], other[0]);
        }
        store_row(output.y, output.dtype, i, tail, row);
      }
    });
  }

  Product product_;
  int threads_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
  Scratch scratch_;
};

}  // namespace pellucid::PELLUCID_LEVEL

#endif

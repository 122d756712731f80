#include "peak.hpp"

#include <algorithm>
#include <chrono>

#include "plan.hpp"

namespace pellucid {
namespace {

double best_seconds(Plan& plan, double seconds) {
  using clock = std::chrono::steady_clock;
  const clock::time_point start = clock::now();
  double best = 1e30;
  for (clock::time_point before = start; before - start < std::chrono::duration<double>(seconds) || best == 1e30;) {
    plan.run();
    const clock::time_point after = clock::now();
    best = std::min(best, std::chrono::duration<double>(after - before).count());
    before = after;
  }
  return best;
}

}  // namespace

double peak(const std::string& kind, double seconds, int threads) {
  if (kind == "memory") {
    constexpr std::int64_t n = 16 << 20;
    Attributes attributes;
    attributes.set("steps", std::vector<std::string>{"add 2 0 1"});
    attributes.set("outputs", std::vector<std::int64_t>{2});
    const Shape shape{n};
    Plan plan({{Kind::input, Dtype::float32, shape},
               {Kind::input, Dtype::float32, shape},
               {Kind::output, Dtype::float32, shape}},
              {}, {{"elementwise", attributes, {0, 1}, {2}}}, threads);
    return 3.0 * 4.0 * static_cast<double>(n) / best_seconds(plan, seconds) * 1e-9;
  }
  if (kind != "float32" && kind != "bfloat16")
    refuse("peak is of float32, bfloat16 or memory, not of \"" + kind + "\"");
  constexpr std::int64_t n = 1024;
  const Dtype dtype = kind == "float32" ? Dtype::float32 : Dtype::bfloat16;
  const Shape shape{n, n};
  Plan plan({{Kind::input, dtype, shape}, {Kind::input, dtype, shape}, {Kind::output, dtype, shape}}, {},
            {{"matmul", {}, {0, 1}, {2}}}, threads);
  return 2.0 * static_cast<double>(n * n * n) / best_seconds(plan, seconds) * 1e-9;
}

}  // namespace pellucid

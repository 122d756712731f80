// Threads by cost: OpenMP's pool (the same GNU OpenMP that oneDNN uses), entered only where the work repays it.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace pellucid {

// Splitting work and meeting at its end costs half a microsecond while the pool is awake, and ten or more when it has
// gone to sleep: each thread must have several microseconds of work.
inline constexpr double microseconds_per_thread = 5.0;

// How many of at most `limit` threads are worth waking for work that takes one thread so many microseconds.
inline int threads_for(double microseconds, int limit) {
#if defined(_OPENMP)
  return std::clamp(static_cast<int>(std::min(microseconds / microseconds_per_thread, 4096.0)), 1, limit);
#else
  (void)microseconds, (void)limit;
  return 1;
#endif
}

struct Range {
  std::int64_t begin, end;
};

// The `part`-th of `parts` shares of 0…n-1, with borders at multiples of `grain`: the same in every run.
inline Range share(std::int64_t n, int part, int parts, std::int64_t grain = 1) {
  const std::int64_t grains = (n + grain - 1) / grain;
  const std::int64_t begin = grains * part / parts * grain;
  const std::int64_t end = grains * (part + 1) / parts * grain;
  return {std::min(begin, n), std::min(end, n)};
}

// Calls work(part) for part = 0 … parts-1, each on its own thread. Every part is run, whatever the pool's size.
template <typename Work>
inline void parallel(int parts, const Work& work) {
#if defined(_OPENMP)
  if (parts > 1) {
#pragma omp parallel for num_threads(parts) schedule(static, 1)
    for (int part = 0; part < parts; ++part) work(part);
    return;
  }
#endif
  for (int part = 0; part < parts; ++part) work(part);
}

}  // namespace pellucid

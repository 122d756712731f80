// Threads by cost: work cut into parts, run by the caller and by whatever workers are awake.
//
// The caller takes parts like any worker and waits only for parts that a worker has begun, so a busy machine costs
// little: a worker that gets no processor just takes none. Which thread runs a part never changes a result.
#pragma once

#include <algorithm>
#include <cstdint>

namespace pellucid {

// Splitting work and meeting at its end costs half a microsecond while the workers are awake, and ten or more when they
// have gone to sleep: each thread must have several microseconds of work.
inline constexpr double microseconds_per_thread = 5.0;

// How many of at most `limit` threads are worth waking for work that takes one thread so many microseconds.
inline int threads_for(double microseconds, int limit) {
  return std::clamp(static_cast<int>(std::min(microseconds / microseconds_per_thread, 4096.0)), 1, limit);
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

// Calls function(work, part) for part = 0 … parts-1, on up to as many threads; returns when all have ended.
void run_parts(int parts, void (*function)(const void* work, int part), const void* work);

// Calls work(part) for part = 0 … parts-1, on up to as many threads.
template <typename Work>
inline void parallel(int parts, const Work& work) {
  if (parts == 1) {
    work(0);
    return;
  }
  run_parts(parts, [](const void* object, int part) { (*static_cast<const Work*>(object))(part); }, &work);
}

}  // namespace pellucid

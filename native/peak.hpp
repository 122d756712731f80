// What this machine can do at most: the yardstick of benchmarks.
#pragma once

#include <string>

namespace pellucid {

// GFLOP/s of a large product ("float32" or "bfloat16"), or GB/s read and written of an addition far beyond the caches
// ("memory"): the best of the runs that fit into so many seconds.
double peak(const std::string& kind, double seconds, int threads);

}  // namespace pellucid

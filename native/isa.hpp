// The instruction-set levels that the kernels were compiled for, and the choice of the best at load.
#pragma once

#include <string>
#include <vector>

namespace pellucid {

// The levels that this processor has and this build was made for, best first.
std::vector<std::string> level_names();

// The level in use: the best of those, or what the environment variable PELLUCID_ISA names (for tests and for comparing
// machines; one that is not among them is refused).
const char* level();

// What bfloat16 products run on: "amx", "avx512_bf16" or "emulated".
const char* bfloat16_unit();

}  // namespace pellucid

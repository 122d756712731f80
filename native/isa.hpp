// The instruction-set levels that the kernels were compiled for, and the choice of the best at load.
#pragma once

#include <string>

namespace pellucid {

// The level in use: the best that the processor has, or what the environment variable PELLUCID_ISA names (for tests
// and for comparing machines; a level that the processor lacks is refused).
const char* level();

// What bfloat16 products run on: "amx", "avx512_bf16" or "emulated".
const char* bfloat16_unit();

}  // namespace pellucid

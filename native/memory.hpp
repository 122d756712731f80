// Where temporaries lie: offsets in one arena, so that no two overlap while both are alive.
#pragma once

#include <cstddef>
#include <vector>

namespace pellucid {

// A stretch of memory, needed from instruction `first` to instruction `last`, both included.
struct Storage {
  std::size_t bytes;
  std::size_t first, last;
  std::size_t offset = 0;  // found by `lay_out`
};

inline constexpr std::size_t alignment = 64;
constexpr std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

// All the memory that the machine has.
std::size_t physical_memory();

// Sets the offsets and returns the arena's size. Greedy by size (Pisarchyk and Lee 2020, section 5.2): the largest
// first, each in the tightest gap between those already placed that live at the same time.
std::size_t lay_out(std::vector<Storage>& storages);

}  // namespace pellucid

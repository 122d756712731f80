#include "memory.hpp"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace pellucid {

std::size_t physical_memory() {
  return static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGE_SIZE));
}

std::size_t lay_out(std::vector<Storage>& storages) {
  std::vector<std::size_t> order(storages.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return storages[a].bytes > storages[b].bytes; });

  std::size_t total = 0;
  std::vector<const Storage*> placed;  // by offset
  for (const std::size_t index : order) {
    Storage& storage = storages[index];
    const std::size_t bytes = aligned(storage.bytes);
    std::size_t best = 0, best_gap = std::numeric_limits<std::size_t>::max(), end = 0;
    bool found = false;
    for (const Storage* other : placed) {
      if (other->last < storage.first || storage.last < other->first) continue;
      if (other->offset > end) {
        const std::size_t gap = other->offset - end;
        if (gap >= bytes && gap < best_gap) best = end, best_gap = gap, found = true;
      }
      end = std::max(end, other->offset + aligned(other->bytes));
    }
    storage.offset = found ? best : end;
    total = std::max(total, storage.offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &storage,
                                   [](const Storage* a, const Storage* b) { return a->offset < b->offset; }),
                  &storage);
  }
  return total;
}

}  // namespace pellucid

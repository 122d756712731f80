// Philox4x32-10, the counter-based random number generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
// as easy as 1, 2, 3" (SC 2011): four words from a counter of four words and a key of two.
#pragma once

#include <cstdint>

namespace pellucid {

// Replaces `count` counters, counter[word][i], by their random words. Inlined always: each level vectorises its own.
template <int count>
[[gnu::always_inline]] inline void philox(std::uint32_t (&counter)[4][count], std::uint32_t key_0,
                                          std::uint32_t key_1) {
  constexpr std::uint64_t multiplier_0 = 0xD2511F53u, multiplier_1 = 0xCD9E8D57u;
  constexpr std::uint32_t weyl_0 = 0x9E3779B9u, weyl_1 = 0xBB67AE85u;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < count; ++i) {
      const std::uint64_t product_0 = multiplier_0 * counter[0][i], product_1 = multiplier_1 * counter[2][i];
      counter[0][i] = static_cast<std::uint32_t>(product_1 >> 32) ^ counter[1][i] ^ key_0;
      counter[2][i] = static_cast<std::uint32_t>(product_0 >> 32) ^ counter[3][i] ^ key_1;
      counter[1][i] = static_cast<std::uint32_t>(product_1);
      counter[3][i] = static_cast<std::uint32_t>(product_0);
    }
    key_0 += weyl_0, key_1 += weyl_1;
  }
}

}  // namespace pellucid

// Philox4x32-10, the counter-based random number generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
// as easy as 1, 2, 3" (SC 2011): four words from a counter of four words and a key of two.
#pragma once

#include <cstdint>

namespace pellucid {

// Replaces a counter by its random words. `Word` is std::uint32_t or a vector of them, and `multiply(a, b, high, low)`
// gives the halves of each product of a constant and a word. Inlined always: each level compiles its own.
template <typename Word, typename Multiply>
[[gnu::always_inline]] inline void philox(Word (&counter)[4], std::uint32_t key_0, std::uint32_t key_1,
                                          const Multiply& multiply) {
  constexpr std::uint32_t multiplier_0 = 0xD2511F53u, multiplier_1 = 0xCD9E8D57u;
  constexpr std::uint32_t weyl_0 = 0x9E3779B9u, weyl_1 = 0xBB67AE85u;
  for (int round = 0; round < 10; ++round) {
    Word high_0, low_0, high_1, low_1;
    multiply(multiplier_0, counter[0], high_0, low_0);
    multiply(multiplier_1, counter[2], high_1, low_1);
    counter[0] = high_1 ^ counter[1] ^ key_0;
    counter[2] = high_0 ^ counter[3] ^ key_1;
    counter[1] = low_1, counter[3] = low_0;
    key_0 += weyl_0, key_1 += weyl_1;
  }
}

[[gnu::always_inline]] inline void philox(std::uint32_t (&counter)[4], std::uint32_t key_0, std::uint32_t key_1) {
  philox(counter, key_0, key_1, [](std::uint32_t a, std::uint32_t b, std::uint32_t& high, std::uint32_t& low) {
    const std::uint64_t product = std::uint64_t{a} * b;
    high = static_cast<std::uint32_t>(product >> 32), low = static_cast<std::uint32_t>(product);
  });
}

}  // namespace pellucid

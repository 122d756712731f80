// Random numbers as functions of a key and a stream: random_uniform, random_normal (see docs/design/engine.md).
#include "../philox.hpp"
#include "../threads.hpp"
#include "../transpose.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

constexpr std::int64_t group = 4 * lanes;  // numbers made side by side, by one block of Philox per lane

enum class Distribution { uniform, normal };

// The halves of a·b in every lane, from products of the even and of the odd lanes.
[[gnu::always_inline]] inline void multiply(std::uint32_t a, words b, words& high, words& low) {
  const longs even = reinterpret_cast<longs>(b) & 0xffffffffu, odd = reinterpret_cast<longs>(b) >> 32;
  const longs even_product = even * a, odd_product = odd * a;
  high = reinterpret_cast<words>((even_product >> 32) | (odd_product & ~std::uint64_t{0xffffffffu}));
  low = reinterpret_cast<words>((even_product & 0xffffffffu) | (odd_product << 32));
}

// Their upper 24 bits plus `add`, as multiples of 2⁻²⁴.
floats fraction(words x, std::uint32_t add) { return to_floats(reinterpret_cast<ints>((x >> 8) + add)) * 0x1p-24f; }

template <Distribution distribution>
class Random final : public Kernel {
 public:
  Random(const std::uint32_t* key, std::uint32_t stream, float* y, std::int64_t size, int threads)
      : key_(key), stream_(stream), y_(y), size_(size) {
    parts_ = threads_for(static_cast<double>(size) * 1.5e-3, threads);
  }

  void run() override {
    parallel(parts_, [&](int part) {
      const Range range = share(size_, part, parts_, group);
      for (std::int64_t at = range.begin; at < range.end; at += group) {
        alignas(vector_bytes) float numbers[group];
        generate(static_cast<std::uint32_t>(at / 4), numbers);
        std::memcpy(y_ + at, numbers, static_cast<std::size_t>(std::min<std::int64_t>(group, range.end - at)) * 4);
      }
    });
  }

 private:
  void generate(std::uint32_t first_block, float* numbers) const {
    words counter[4] = {words{} + first_block, words{} + stream_, words{} + key_[2], words{} + key_[3]};
    for (std::int64_t i = 0; i < lanes; ++i) counter[0][i] += static_cast<std::uint32_t>(i);
    philox(counter, key_[0], key_[1], multiply);
    floats values[4];
    if constexpr (distribution == Distribution::uniform) {
      for (int w = 0; w < 4; ++w) values[w] = fraction(counter[w], 0);
    } else {
      for (int w = 0; w < 4; w += 2) {  // Box and Muller
        const floats radius = sqrt(-2.0f * log(fraction(counter[w], 1)));
        const auto [sine, cosine] = sine_cosine_of_turn(fraction(counter[w + 1], 0));
        values[w] = radius * cosine, values[w + 1] = radius * sine;
      }
    }
    // The four words of a block lie side by side in y: pairs of words, then pairs of pairs.
    interleave(values[0], values[1]);
    interleave(values[2], values[3]);
    longs pairs[4];
    std::memcpy(pairs, values, sizeof pairs);
    interleave(pairs[0], pairs[2]);
    interleave(pairs[1], pairs[3]);
    for (const int part : {0, 2, 1, 3}) {
      std::memcpy(numbers, &pairs[part], sizeof(floats));
      numbers += lanes;
    }
  }

  const std::uint32_t* key_;
  std::uint32_t stream_;
  float* y_;
  std::int64_t size_;
  int parts_;
};

template <Distribution distribution>
std::unique_ptr<Kernel> make(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 1 && inputs[0] && outputs.size() == 1, "takes a key and gives y");
  require(inputs[0].dtype == Dtype::uint32 && inputs[0].size() == 4, "the key is uint32[4]");
  require(outputs[0].dtype == Dtype::float32, "y is float32");
  require(outputs[0].size() <= std::int64_t{1} << 34, "a draw has at most 2^34 elements");
  const std::int64_t stream = attributes.integer("stream");
  require(stream >= 0 && stream <= UINT32_MAX, "stream must fit 32 bits");
  if (outputs[0].size() == 0) return nullptr;
  return std::make_unique<Random<distribution>>(inputs[0].as<const std::uint32_t>(), static_cast<std::uint32_t>(stream),
                                                outputs[0].as<float>(), outputs[0].size(), context.threads);
}

std::unique_ptr<Kernel> make_uniform(const Attributes& a, Views inputs, Views outputs, const Context& c) {
  return make<Distribution::uniform>(a, inputs, outputs, c);
}
std::unique_ptr<Kernel> make_normal(const Attributes& a, Views inputs, Views outputs, const Context& c) {
  return make<Distribution::normal>(a, inputs, outputs, c);
}

}  // namespace
REGISTER_KERNEL("random_uniform", make_uniform)
REGISTER_KERNEL("random_normal", make_normal)
}  // namespace pellucid::PELLUCID_LEVEL

// Random numbers as functions of a key and a stream: random_uniform, random_normal (see docs/design/engine.md).
#include "../philox.hpp"
#include "../threads.hpp"
#include "../vector.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

constexpr int blocks = 16;         // generated side by side
constexpr int group = 4 * blocks;  // numbers
constexpr float unit = 0x1p-24f;

enum class Distribution { uniform, normal };

// The upper 24 bits of each word, plus `add`.
floats upper_bits(const std::uint32_t* from, std::uint32_t add) {
  words x;
  std::memcpy(&x, from, sizeof x);
  return to_floats(reinterpret_cast<ints>((x >> 8) + add));
}

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
    alignas(vector_bytes) std::uint32_t random[4][blocks];
    for (int i = 0; i < blocks; ++i) {
      random[0][i] = first_block + static_cast<std::uint32_t>(i);
      random[1][i] = stream_, random[2][i] = key_[2], random[3][i] = key_[3];
    }
    philox(random, key_[0], key_[1]);
    alignas(vector_bytes) float values[4][blocks];
    for (int i = 0; i < blocks; i += lanes) {
      if constexpr (distribution == Distribution::uniform) {
        for (int w = 0; w < 4; ++w) store(values[w] + i, upper_bits(random[w] + i, 0) * unit);
      } else {
        for (int w = 0; w < 4; w += 2) {  // Box and Muller
          const floats radius = sqrt(-2.0f * log(upper_bits(random[w] + i, 1) * unit));
          const auto [sine, cosine] = sine_cosine_of_turn(upper_bits(random[w + 1] + i, 0) * unit);
          store(values[w] + i, radius * cosine);
          store(values[w + 1] + i, radius * sine);
        }
      }
    }
    for (int i = 0; i < blocks; ++i)
      for (int w = 0; w < 4; ++w) numbers[4 * i + w] = values[w][i];
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

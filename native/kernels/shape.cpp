#include <cstring>

#include "../vector.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

struct Copy final : Kernel {
  Copy(const View& x, const View& y) : from(x.data), to(y.data), bytes(x.bytes()) {}
  void run() override { std::memcpy(to, from, bytes); }
  const void* from;
  void* to;
  std::size_t bytes;
};

std::unique_ptr<Kernel> make_reshape(const Attributes&, Views inputs, Views outputs, const Context&) {
  require(inputs.size() == 1 && outputs.size() == 1, "reshape takes x and gives y");
  require(inputs[0].bytes() == outputs[0].bytes() && inputs[0].dtype == outputs[0].dtype, "reshape keeps size and dtype");
  if (inputs[0].data == outputs[0].data) return nullptr;
  return std::make_unique<Copy>(inputs[0], outputs[0]);
}

}  // namespace
REGISTER_IN_PLACE_KERNEL("reshape", make_reshape)
}  // namespace pellucid::PELLUCID_LEVEL

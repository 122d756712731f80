#include "plan.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <stdexcept>

namespace pellucid {
namespace {

constexpr std::size_t nothing = static_cast<std::size_t>(-1);

// Said before the memory is taken: the system grants more than there is, and ends processes later.
class TooLarge : public std::bad_alloc {
 public:
  explicit TooLarge(std::size_t bytes)
      : text_("they take " + gigabytes(bytes) + " GB, this machine has " + gigabytes(physical_memory())) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  static std::string gigabytes(std::size_t bytes) { return std::to_string(bytes / 1'000'000'000); }
  std::string text_;
};

std::string buffer_text(int id) { return "buffer " + std::to_string(id); }

}  // namespace

Plan::Plan(std::vector<Buffer> buffers, const std::map<int, View>& arrays, std::vector<Instruction> instructions,
           int threads)
    : buffers_(std::move(buffers)), instructions_(std::move(instructions)), threads_(threads) {
  if (threads < 1) refuse("threads must be at least 1, not " + std::to_string(threads));
  check();
  place(arrays);
  build();
}

void Plan::check() const {
  for (int id = 0; id < size(); ++id) {
    const Buffer& buffer = buffers_[id];
    if (buffer.dtype > Dtype::boolean) refuse(buffer_text(id) + ": a buffer cannot be " + dtype_name(buffer.dtype));
    std::int64_t elements = 1;
    for (const std::int64_t extent : buffer.shape)
      if (extent < 0 || __builtin_mul_overflow(elements, extent, &elements) || elements > (std::int64_t{1} << 40))
        refuse(buffer_text(id) + ": shape " + shape_text(buffer.shape) + " is negative or too large");
    if (buffer.kind != Kind::view) continue;
    if (buffer.of < 0 || buffer.of >= size() || buffers_[buffer.of].kind == Kind::view)
      refuse(buffer_text(id) + " is a view of buffer " + std::to_string(buffer.of) + ", which is not one with memory");
    const View whole{nullptr, buffers_[buffer.of].dtype, buffers_[buffer.of].shape};
    if (buffer.dtype != whole.dtype || elements != whole.size())
      refuse(buffer_text(id) + " is a view of another dtype or number of elements");
  }
  std::vector<bool> written(buffers_.size());
  for (int id = 0; id < size(); ++id) {
    const Kind kind = buffers_[id].kind;
    written[id] = kind == Kind::variable || kind == Kind::constant || kind == Kind::input;
  }
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    const Instruction& instruction = instructions_[i];
    try {
      check(instruction);
      for (const int id : instruction.inputs)
        if (id >= 0 && !written[root(id)]) refuse(buffer_text(id) + " is read before it is written");
    } catch (const std::invalid_argument& error) {
      refuse("instruction " + std::to_string(i) + ", " + instruction.kernel + ": " + error.what());
    }
    for (const int id : instruction.outputs)
      if (id >= 0) written[root(id)] = true;
  }
}

void Plan::check(const Instruction& instruction) const {
  const Registration& registration = find_kernel(instruction.kernel);
  for (const int id : instruction.inputs)
    if (id < -1 || id >= size()) refuse("there is no " + buffer_text(id));
  for (std::size_t i = 0; i < instruction.outputs.size(); ++i) {
    const int id = instruction.outputs[i];
    if (id == -1 && registration.sparing) continue;
    if (id < 0 || id >= size()) refuse("there is no " + buffer_text(id));
    if (const Kind of = buffers_[root(id)].kind; of == Kind::constant || of == Kind::input)
      refuse(buffer_text(id) + " is a constant or an input: not written by instructions");
    const auto same = [&](int other) { return root(other) == root(id); };
    if (std::ranges::count_if(instruction.outputs, same) > 1) refuse(buffer_text(id) + " is written twice");
    if (!registration.in_place && std::ranges::any_of(instruction.inputs, same))
      refuse(buffer_text(id) + " is both input and output");
  }
}

// Gives every temporary that is written a storage; one that an in-place kernel may write over an input that nobody
// reads again takes that input's.
std::vector<Storage> Plan::assign_storages(std::vector<std::size_t>& storage_of) const {
  std::vector<std::size_t> last_use(buffers_.size(), 0);
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    for (const int id : instructions_[i].inputs)
      if (id >= 0) last_use[root(id)] = i;
    for (const int id : instructions_[i].outputs)
      if (id >= 0) last_use[root(id)] = i;
  }
  std::vector<Storage> storages;
  std::vector<bool> inherited(buffers_.size());
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    const Instruction& instruction = instructions_[i];
    const bool in_place = find_kernel(instruction.kernel).in_place;
    for (const int output : instruction.outputs) {
      const int id = root(output);
      if (id < 0) continue;
      if (buffers_[id].kind != Kind::temporary || storage_of[id] != nothing) continue;
      const std::size_t bytes = views_[id].bytes();
      for (const int shown : instruction.inputs) {
        const int input = root(shown);
        if (!in_place || input < 0 || storage_of[input] == nothing || last_use[input] != i || inherited[input])
          continue;
        if (item_size(views_[input].dtype) != item_size(views_[id].dtype) ||
            views_[shown].shape != views_[output].shape)
          continue;
        inherited[input] = true;
        storage_of[id] = storage_of[input];
        storages[storage_of[id]].last = last_use[id];
        break;
      }
      if (storage_of[id] == nothing) {
        storage_of[id] = storages.size();
        storages.push_back({bytes, i, last_use[id]});
      }
    }
  }
  return storages;
}

void Plan::place(const std::map<int, View>& arrays) {
  for (const Buffer& buffer : buffers_) views_.push_back({nullptr, buffer.dtype, buffer.shape, true});
  std::vector<std::size_t> storage_of(buffers_.size(), nothing);
  std::vector<Storage> storages = assign_storages(storage_of);
  arena_bytes_ = lay_out(storages);

  std::size_t total = arena_bytes_;
  std::vector<std::size_t> offsets(buffers_.size(), 0);
  for (int id = 0; id < size(); ++id) {
    if (const Kind kind = buffers_[id].kind; kind == Kind::variable || kind == Kind::temporary || kind == Kind::view)
      continue;
    offsets[id] = total;
    total += aligned(views_[id].bytes());
  }
  total = std::max(total, alignment);
  if (total > physical_memory()) throw TooLarge(total);
  memory_.reset(new (std::align_val_t{alignment}) std::byte[total]);
  std::memset(memory_.get(), 0, total);

  for (int id = 0; id < size(); ++id) {
    View& view = views_[id];
    const Kind kind = buffers_[id].kind;
    if (kind == Kind::view) continue;
    if (kind == Kind::temporary) {
      if (storage_of[id] != nothing) view.data = memory_.get() + storages[storage_of[id]].offset;
      continue;
    }
    view.data = memory_.get() + offsets[id];
    if (kind != Kind::variable && kind != Kind::constant) continue;
    const auto found = arrays.find(id);
    if (found == arrays.end()) refuse(buffer_text(id) + ": a variable or constant needs an array");
    const View& array = found->second;
    if (array.dtype != view.dtype || array.shape != view.shape)
      refuse(buffer_text(id) + " is " + dtype_name(view.dtype) + shape_text(view.shape) + ", its array " +
             dtype_name(array.dtype) + shape_text(array.shape));
    if (kind == Kind::variable)
      view.data = array.data, view.padded = false;
    else
      std::memcpy(view.data, array.data, view.bytes());
  }
  for (int id = 0; id < size(); ++id) {
    views_[id].data = views_[root(id)].data;
    views_[id].padded = views_[root(id)].padded;
  }
}

void Plan::build() {
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    const Instruction& instruction = instructions_[i];
    std::vector<View> inputs, outputs;
    for (const int id : instruction.inputs) inputs.push_back(id < 0 ? View{} : views_[id]);
    for (const int id : instruction.outputs) outputs.push_back(id < 0 ? View{} : views_[id]);
    try {
      std::unique_ptr<Kernel> kernel =
          find_kernel(instruction.kernel).factory(instruction.attributes, inputs, outputs, {threads_, &bad_id_});
      instruction.attributes.require_all_read();
      if (!kernel) continue;
      kernels_.push_back(std::move(kernel));
      instruction_of_.push_back(i);
    } catch (const std::invalid_argument& error) {
      refuse("instruction " + std::to_string(i) + ", " + instruction.kernel + ": " + error.what());
    }
  }
}

const View& Plan::view(int id) const {
  if (id < 0 || id >= size()) refuse("there is no " + buffer_text(id));
  return views_[id];
}

Kind Plan::kind(int id) const {
  if (id < 0 || id >= size()) refuse("there is no " + buffer_text(id));
  return buffers_[root(id)].kind;
}

std::vector<Plan::Timing> Plan::profile(int repeats) {
  using clock = std::chrono::steady_clock;
  std::vector<double> seconds(kernels_.size());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    auto before = clock::now();
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
      kernels_[i]->run();
      const auto after = clock::now();
      seconds[i] += std::chrono::duration<double>(after - before).count();
      before = after;
    }
  }
  bad_id_ = false;  // times are asked for, not results
  std::vector<Timing> timings;
  for (std::size_t i = 0; i < kernels_.size(); ++i) {
    const Instruction& instruction = instructions_[instruction_of_[i]];
    timings.push_back({instruction.kernel, instruction.attributes.summary(), seconds[i] / repeats});
  }
  return timings;
}

}  // namespace pellucid

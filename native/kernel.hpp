// What a kernel is, and how it is found by name.
//
// A kernel file, native/kernels/*.cpp, is compiled once per instruction-set level (see CMakeLists.txt) with
// PELLUCID_LEVEL set to the level's name, and puts its code into `namespace pellucid::PELLUCID_LEVEL`:
//
//     namespace pellucid::PELLUCID_LEVEL {
//     namespace {
//     struct Double final : Kernel { ...; void run() override { ... } };
//     std::unique_ptr<Kernel> make_double(const Attributes&, Views inputs, Views outputs, const Context&);
//     }  // namespace
//     REGISTER_KERNEL("double", make_double)
//     }  // namespace pellucid::PELLUCID_LEVEL
//
// A factory checks shapes, dtypes and attributes, throws std::invalid_argument (Python's ValueError) for what it does
// not support, and fixes every pointer, size and thread split, so that `run` does nothing but the work: it allocates
// nothing, takes no lock and throws nothing. A factory may return null: nothing to do.
//
// Every level's file initialises its globals on every machine: globals must be constant-initialised (constexpr,
// constinit), or an old processor would meet instructions that it does not have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pellucid {

// The last three are only what arrays from outside may hold; a plan's own buffers have none of them.
enum class Dtype : std::uint8_t { float32, bfloat16, int32, uint32, boolean, float64, int64, uint8 };

using bfloat16 = std::uint16_t;  // storage only: the upper half of a float32
using Shape = std::vector<std::int64_t>;

std::size_t item_size(Dtype dtype);
const char* dtype_name(Dtype dtype);
std::string shape_text(const Shape& shape);  // "[32, 10]"

// A contiguous row-major array in memory that outlives the kernel. Absent operands have no data.
struct View {
  void* data = nullptr;
  Dtype dtype = Dtype::float32;
  Shape shape;
  // The memory is 64-byte aligned and reaches to the next multiple of 64 bytes after the end: a kernel may read and
  // overwrite what lies between. True of all memory that the plan owns, not of variables.
  bool padded = false;

  explicit operator bool() const { return data != nullptr; }
  std::size_t rank() const { return shape.size(); }
  std::int64_t size() const {
    std::int64_t product = 1;
    for (const std::int64_t extent : shape) product *= extent;
    return product;
  }
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * item_size(dtype); }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

using Views = std::span<const View>;

// The options of an instruction. Reading marks an attribute as known; `require_all_read` then refuses the others.
class Attributes {
 public:
  using Value = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
                             std::vector<std::string>>;

  void set(std::string name, Value value);
  bool has(std::string_view name) const;

  std::int64_t integer(std::string_view name) const;
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  double real(std::string_view name) const;
  double real(std::string_view name, double otherwise) const;
  std::string text(std::string_view name, std::string_view otherwise) const;
  std::vector<std::int64_t> integers(std::string_view name) const;
  std::vector<double> reals(std::string_view name) const;  // absent: empty
  std::vector<std::string> texts(std::string_view name) const;

  void require_all_read() const;
  std::string summary() const;  // "activation=relu, transpose_x=1"

 private:
  struct Entry {
    Value value;
    mutable bool read = false;
  };
  const Entry* find(std::string_view name) const;

  std::map<std::string, Entry, std::less<>> entries_;
};

// What a plan tells its kernels.
struct Context {
  int threads = 1;
  bool* bad_id = nullptr;  // set to true by a kernel that meets an id out of range
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void run() = 0;
};

using Factory = std::unique_ptr<Kernel> (*)(const Attributes&, Views inputs, Views outputs, const Context&);

struct Registration {
  const char* level;
  const char* name;
  Factory factory;
  bool in_place;  // an output may be written onto an input of the same shape and item size
  bool sparing;   // outputs may be absent: nobody reads them
  const Registration* next = nullptr;
};

// Defined in isa.cpp, outside the levels. The list is linked at load; nothing is copied.
bool register_kernel(Registration& registration);
const Registration& find_kernel(std::string_view name);  // of the level in use; throws std::invalid_argument
std::vector<std::string> kernel_names();

[[noreturn]] void refuse(const std::string& message);  // throws std::invalid_argument
inline void require(bool condition, const char* message) {
  if (!condition) refuse(message);
}

}  // namespace pellucid

#define PELLUCID_TEXT_OF(x) #x
#define PELLUCID_TEXT(x) PELLUCID_TEXT_OF(x)
#define PELLUCID_REGISTER(name, factory, in_place, sparing)                                                      \
  static constinit ::pellucid::Registration factory##_registration{PELLUCID_TEXT(PELLUCID_LEVEL), name, factory, \
                                                                   in_place, sparing};                           \
  [[maybe_unused]] static const bool factory##_registered = ::pellucid::register_kernel(factory##_registration);

#define REGISTER_KERNEL(name, factory) PELLUCID_REGISTER(name, factory, false, false)
#define REGISTER_IN_PLACE_KERNEL(name, factory) PELLUCID_REGISTER(name, factory, true, false)
#define REGISTER_SPARING_KERNEL(name, factory) PELLUCID_REGISTER(name, factory, false, true)

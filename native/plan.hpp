// A plan: a fixed list of kernels over memory laid out once.
//
// The constructor checks the instructions, places every buffer (temporaries share one arena by liveness, see
// memory.hpp) and builds the kernels; `run` calls them one after the other.
#pragma once

#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "kernel.hpp"
#include "memory.hpp"

namespace pellucid {

enum class Kind : std::uint8_t { variable, constant, input, temporary, output, view };

struct Buffer {
  Kind kind;
  Dtype dtype;
  Shape shape;
  int of = -1;  // of a view: the buffer whose memory it shows in another shape
};

struct Instruction {
  std::string kernel;
  Attributes attributes;
  std::vector<int> inputs;   // buffer ids; -1: absent
  std::vector<int> outputs;  // likewise: some kernels do without outputs that nobody reads
};

class Plan {
 public:
  // `arrays`: the memory of variables (which outlives the plan) and the values of constants (copied).
  Plan(std::vector<Buffer> buffers, const std::map<int, View>& arrays, std::vector<Instruction> instructions,
       int threads);
  Plan(const Plan&) = delete;  // kernels point into it
  Plan& operator=(const Plan&) = delete;

  // Ends early at an id out of range: nothing is computed from what is not there, and no variable updated with it.
  void run() {
    for (const std::unique_ptr<Kernel>& kernel : kernels_) {
      kernel->run();
      if (bad_id_) return;
    }
  }
  // Whether the last run met an id out of range; reading clears it.
  bool take_bad_id() {
    const bool bad = bad_id_;
    bad_id_ = false;
    return bad;
  }
  // For the loop, which looks after every step.
  bool* bad_id() { return &bad_id_; }

  const View& view(int id) const;
  Kind kind(int id) const;
  int size() const { return static_cast<int>(buffers_.size()); }
  std::size_t arena_bytes() const { return arena_bytes_; }
  int threads() const { return threads_; }

  struct Timing {
    std::string kernel, attributes;
    double seconds;
  };
  std::vector<Timing> profile(int repeats);  // the mean time of each instruction

  // The buffer whose memory this one is: itself, or what a view shows.
  int root(int id) const { return id >= 0 && buffers_[id].kind == Kind::view ? buffers_[id].of : id; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{alignment}); }
  };

  void check() const;
  void check(const Instruction& instruction) const;
  std::vector<Storage> assign_storages(std::vector<std::size_t>& storage_of) const;
  void place(const std::map<int, View>& arrays);
  void build();

  std::vector<Buffer> buffers_;
  std::vector<Instruction> instructions_;
  int threads_;
  std::unique_ptr<std::byte[], Free> memory_;
  std::size_t arena_bytes_ = 0;
  std::vector<View> views_;
  std::vector<std::unique_ptr<Kernel>> kernels_;  // without those that had nothing to do
  std::vector<std::size_t> instruction_of_;       // of each kernel
  bool bad_id_ = false;
};

}  // namespace pellucid

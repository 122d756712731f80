// The training loop: whole epochs of gather, step, totals and checks, without Python.
//
// Everything is a function of (seed, epoch, step): the order of the rows, the random numbers of a step. So the weights
// just before any recent step can be had again by restoring a snapshot and replaying the steps since.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "kernel.hpp"
#include "plan.hpp"

namespace pellucid {

// A permutation of 0…n-1 by Fisher and Yates, from Philox with the stream 5 and the epoch (docs/design/engine.md).
void shuffle(std::uint64_t seed, std::uint64_t epoch, std::vector<std::int64_t>& order);

struct LoopSettings {
  std::vector<Plan*> plans;  // of whole batches and, where the last batch of an epoch is shorter, of that one
  std::int64_t batch = 1;
  std::vector<View> sources;                                // one row per example
  std::vector<std::vector<int>> inputs;                     // per plan, per source
  std::vector<std::vector<int>> totals;                     // per plan
  std::vector<std::pair<std::vector<int>, View>> collects;  // output ids per plan, destination
  std::vector<int> key, loss;                               // per plan; -1: none
  std::uint64_t seed = 0;
  std::int64_t epochs = 1;
  bool shuffle = true;
  std::int64_t first_epoch = 0, first_step = 0;
  std::vector<View> watch;
};

enum class Status { time, epoch, done, nonfinite, id, stop };

class Loop {
 public:
  explicit Loop(LoopSettings settings);

  Status advance(double seconds, std::int64_t epochs, std::int64_t most);  // at most so many steps
  void stop() { stopped_.store(true, std::memory_order_relaxed); }
  void rewind(std::int64_t step);
  void snapshot();  // forgets the older ones

  std::int64_t epoch() const { return epoch_; }
  std::int64_t position() const { return position_; }
  std::int64_t step() const { return step_; }
  std::vector<std::int64_t> rows(std::int64_t step) const;
  std::size_t totals_size() const { return partial_.size(); }
  const std::vector<double>& partial_totals() const { return partial_; }
  std::vector<double> take_totals() { return std::exchange(ended_, {}); }  // row by row, one row per ended epoch

 private:
  using Clock = std::chrono::steady_clock;

  // What one plan's step touches, by direct pointers.
  struct Part {
    Plan* plan;
    std::vector<std::unique_ptr<Kernel>> gathers;
    std::vector<std::int64_t> rows;  // the batch's rows, read by the gathers
    std::uint32_t* key = nullptr;
    const float* loss = nullptr;
    std::vector<std::pair<const float*, std::int64_t>> totals;
    struct Collect {
      const std::byte* from;
      std::byte* to;
      std::size_t row_bytes;
    };
    std::vector<Collect> collects;
  };
  struct Snapshot {
    std::int64_t step, epoch, position;
    std::vector<double> partial;
    std::vector<std::byte> bytes;
  };
  enum class Step { good, nonfinite, id };

  Part make_part(std::size_t index);
  void gather_from(Part& part, std::size_t source, int buffer);
  void set_order();
  Step run_step();
  void finish_batch(const Part& part);
  void end_epoch();
  void take_snapshot();
  void restore(const Snapshot& snapshot);
  std::int64_t last_epoch() const { return settings_.first_epoch + settings_.epochs; }
  std::int64_t steps_per_epoch() const { return (rows_ + settings_.batch - 1) / settings_.batch; }

  LoopSettings settings_;
  std::int64_t rows_ = 0;  // in the sources
  std::vector<Part> parts_;
  std::vector<std::int64_t> order_;
  std::int64_t epoch_, position_ = 0, step_;
  std::vector<double> partial_, ended_;
  bool replaying_ = false;
  std::atomic<bool> stopped_{false};
  std::vector<Snapshot> snapshots_;  // at most two, the newer last
  Clock::time_point next_snapshot_{};
  std::int64_t steps_between_looks_ = 1;  // at the clock
};

}  // namespace pellucid

#include "threads.hpp"

#include <pthread.h>

#include <atomic>
#include <thread>

namespace pellucid {
namespace {

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Workers for one job at a time. A job is published under a new generation, with one slot per part: open, then taken by
// the first thread that exchanges it. A slot names its generation, so that nobody can take a part of a job that is
// over.
//
// Thread t tries part t first: the same share of the next kernel, and of the next step, meets the data where it already
// is.
class Pool {
 public:
  void run(int parts, void (*function)(const void*, int), const void* work) {
    if (parts > most_parts || busy_.exchange(true, std::memory_order_acquire)) {  // another thread's job is under way
      for (int part = 0; part < parts; ++part) function(work, part);
      return;
    }
    while (workers_ < parts - 1) start_worker();
    const std::uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
    function_.store(function, std::memory_order_relaxed);
    work_.store(work, std::memory_order_relaxed);
    parts_.store(parts, std::memory_order_relaxed);
    ended_.store(0, std::memory_order_relaxed);
    for (int part = 0; part < parts; ++part) slots_[part].store(open(generation), std::memory_order_release);
    generation_.store(generation);
    if (sleepers_.load() > 0) generation_.notify_all();
    take_parts(generation, 0);
    for (int turn = 0; ended_.load(std::memory_order_acquire) < parts; ++turn) {
      if (turn < spin)
        pause();
      else
        std::this_thread::yield();  // a worker lost its processor in the middle of a part: let it have this one
    }
    busy_.store(false, std::memory_order_release);
  }

 private:
  static constexpr int spin = 2000;  // some 20 to 80 µs: bridges the gap between two kernels of a step
  static constexpr int most_parts = 1024;

  static constexpr std::uint64_t open(std::uint32_t generation) { return std::uint64_t{generation} << 1; }
  static constexpr std::uint64_t taken(std::uint32_t generation) { return open(generation) | 1; }

  void start_worker() {
    const std::uint32_t seen = generation_.load(std::memory_order_relaxed);
    const int thread = ++workers_;
    std::thread([this, seen, thread] { serve(seen, thread); }).detach();
  }

  [[noreturn]] void serve(std::uint32_t seen, int thread) {
    while (true) {
      int turn = 0;
      while (generation_.load(std::memory_order_acquire) == seen && turn++ < spin) pause();
      if (generation_.load(std::memory_order_acquire) == seen) {
        sleepers_.fetch_add(1);
        generation_.wait(seen);
        sleepers_.fetch_sub(1);
      }
      seen = generation_.load(std::memory_order_acquire);
      take_parts(seen, thread);
    }
  }

  void take_parts(std::uint32_t generation, int thread) {
    const int parts = parts_.load(std::memory_order_relaxed);
    for (int turn = 0, part = thread; turn < parts; ++turn, ++part) {
      if (part >= parts) part = 0;
      std::uint64_t slot = open(generation);
      if (slots_[part].load(std::memory_order_relaxed) != slot) continue;
      if (!slots_[part].compare_exchange_strong(slot, taken(generation), std::memory_order_acq_rel)) continue;
      // A part taken keeps its job from ending: what is read here is this job's.
      function_.load(std::memory_order_relaxed)(work_.load(std::memory_order_relaxed), part);
      ended_.fetch_add(1, std::memory_order_release);
    }
  }

  std::atomic<void (*)(const void*, int)> function_{nullptr};
  std::atomic<const void*> work_{nullptr};
  std::atomic<int> parts_{0};
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  alignas(64) std::atomic<std::uint64_t> slots_[most_parts]{};
  alignas(64) std::atomic<int> ended_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::atomic<bool> busy_{false};
  int workers_ = 0;
};

// Never destroyed, since workers may still run when the process exits; made anew in a forked child, which has none.
constinit std::atomic<Pool*> the_pool{nullptr};

Pool& pool() {
  Pool* current = the_pool.load(std::memory_order_acquire);
  if (current) return *current;
  Pool* const made = new Pool;
  if (the_pool.compare_exchange_strong(current, made)) {
    [[maybe_unused]] static const int once =
        pthread_atfork(nullptr, nullptr, [] { the_pool.store(nullptr, std::memory_order_relaxed); });
    return *made;
  }
  delete made;
  return *current;
}

}  // namespace

void run_parts(int parts, void (*function)(const void* work, int part), const void* work) {
  pool().run(parts, function, work);
}

}  // namespace pellucid

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

// Workers for one job at a time. A job is published under a new generation; parts are claimed by counting up a ticket
// that holds the generation too, so that nobody can claim a part of a job that is over.
class Pool {
 public:
  void run(int parts, void (*function)(const void*, int), const void* work) {
    if (busy_.exchange(true, std::memory_order_acquire)) {  // another thread's job: this one does its own
      for (int part = 0; part < parts; ++part) function(work, part);
      return;
    }
    while (workers_ < parts - 1) start_worker();
    const std::uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
    // Closed while the job changes: a worker late for the last job may already read the new number of parts, and must
    // not claim one beyond the old number with the old ticket.
    ticket_.store(std::uint64_t{generation} << 32 | UINT32_MAX, std::memory_order_relaxed);
    function_.store(function, std::memory_order_relaxed);
    work_.store(work, std::memory_order_relaxed);
    parts_.store(parts, std::memory_order_release);
    ended_.store(0, std::memory_order_relaxed);
    ticket_.store(std::uint64_t{generation} << 32, std::memory_order_release);
    generation_.store(generation);
    if (sleepers_.load() > 0) generation_.notify_all();
    take_parts(generation);
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

  void start_worker() {
    const std::uint32_t seen = generation_.load(std::memory_order_relaxed);
    std::thread([this, seen] { serve(seen); }).detach();
    ++workers_;
  }

  [[noreturn]] void serve(std::uint32_t seen) {
    while (true) {
      int turn = 0;
      while (generation_.load(std::memory_order_acquire) == seen && turn++ < spin) pause();
      if (generation_.load(std::memory_order_acquire) == seen) {
        sleepers_.fetch_add(1);
        generation_.wait(seen);
        sleepers_.fetch_sub(1);
      }
      seen = generation_.load(std::memory_order_acquire);
      take_parts(seen);
    }
  }

  void take_parts(std::uint32_t generation) {
    const auto function = function_.load(std::memory_order_relaxed);
    const void* const work = work_.load(std::memory_order_relaxed);
    const auto parts = static_cast<std::uint32_t>(parts_.load(std::memory_order_acquire));
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while (ticket >> 32 == generation && static_cast<std::uint32_t>(ticket) < parts) {
      if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
      function(work, static_cast<int>(static_cast<std::uint32_t>(ticket)));
      ended_.fetch_add(1, std::memory_order_release);
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }

  std::atomic<void (*)(const void*, int)> function_{nullptr};
  std::atomic<const void*> work_{nullptr};
  std::atomic<int> parts_{0};
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<std::uint32_t> generation_{0};
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

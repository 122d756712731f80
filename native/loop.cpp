#include "loop.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "philox.hpp"

namespace pellucid {
namespace {

constexpr double snapshot_seconds = 0.1;
constexpr double snapshot_share = 0.01;  // of the time that snapshots may take
constexpr double look_seconds = 0.001;   // between looks at the clock
constexpr std::int64_t most_steps_between_looks = 1024;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

void shuffle(std::uint64_t seed, std::uint64_t epoch, std::vector<std::int64_t>& order) {
  std::iota(order.begin(), order.end(), std::int64_t{0});
  constexpr std::uint32_t stream = 5;
  const auto n = static_cast<std::int64_t>(order.size());
  for (std::int64_t block = (n - 1) / 4; block >= 0; --block) {
    std::uint32_t words[4] = {static_cast<std::uint32_t>(block), stream, static_cast<std::uint32_t>(epoch),
                              static_cast<std::uint32_t>(epoch >> 32)};
    philox(words, static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
    for (std::int64_t i = std::min(n - 1, 4 * block + 3); i >= std::max<std::int64_t>(4 * block, 1); --i) {
      const std::uint64_t word = words[i % 4];
      std::swap(order[i], order[static_cast<std::int64_t>(word * static_cast<std::uint64_t>(i + 1) >> 32)]);
    }
  }
}

Loop::Loop(LoopSettings settings)
    : settings_(std::move(settings)), epoch_(settings_.first_epoch), step_(settings_.first_step) {
  require(!settings_.sources.empty() && settings_.sources[0].rank() > 0, "a loop needs a source with rows");
  rows_ = settings_.sources[0].shape[0];
  for (const View& source : settings_.sources)
    require(source.rank() > 0 && source.shape[0] == rows_, "all sources have equally many rows");
  require(rows_ > 0, "the sources are empty");
  require(rows_ < std::int64_t{1} << 32, "the sources have more than 2^32 rows");
  require(settings_.batch >= 1 && settings_.batch <= rows_, "the batch must lie between 1 and the number of rows");
  require(settings_.epochs >= 0 && settings_.first_epoch >= 0 && settings_.first_step >= 0,
          "epochs, first_epoch and first_step are not negative");
  const std::size_t plans = settings_.plans.size();
  require(plans == (rows_ % settings_.batch == 0 ? 1 : 2),
          "one plan is needed, and a second one if the last batch of an epoch is shorter");
  require(settings_.inputs.size() == plans && settings_.totals.size() == plans && settings_.key.size() == plans &&
              settings_.loss.size() == plans,
          "inputs, totals, key and loss have one entry per plan");
  for (std::size_t p = 0; p < plans; ++p) parts_.push_back(make_part(p));
  std::size_t size = 0;
  for (const auto& [from, count] : parts_[0].totals) size += static_cast<std::size_t>(count);
  for (const Part& part : parts_) {
    std::size_t own = 0;
    for (const auto& [from, count] : part.totals) own += static_cast<std::size_t>(count);
    require(own == size, "the totals of both plans have one size");
  }
  partial_.resize(size);
  order_.resize(static_cast<std::size_t>(rows_));
  set_order();
}

Loop::Part Loop::make_part(std::size_t index) {
  Part part;
  part.plan = settings_.plans[index];
  part.rows.resize(static_cast<std::size_t>(index == 0 ? settings_.batch : rows_ % settings_.batch));
  require(settings_.inputs[index].size() == settings_.sources.size(), "inputs has one buffer per source");
  for (std::size_t s = 0; s < settings_.sources.size(); ++s) gather_from(part, s, settings_.inputs[index][s]);
  for (const int id : settings_.totals[index]) {
    const View& view = part.plan->view(id);
    require(view.data != nullptr && view.dtype == Dtype::float32, "totals are float32 buffers");
    part.totals.emplace_back(view.as<const float>(), view.size());
  }
  for (const auto& [ids, destination] : settings_.collects) {
    require(ids.size() == settings_.plans.size(), "a collected output has one buffer per plan");
    const View& view = part.plan->view(ids[index]);
    const auto batch = static_cast<std::int64_t>(part.rows.size());
    require(view.data != nullptr && view.rank() > 0 && view.shape[0] == batch,
            "collected outputs have one row per example");
    require(destination.rank() > 0 && destination.shape[0] == rows_ && destination.dtype == view.dtype &&
                destination.size() / rows_ == view.size() / batch,
            "the destination has the dtype of the output and one row per example");
    part.collects.push_back({view.as<const std::byte>(), destination.as<std::byte>(), view.bytes() / part.rows.size()});
  }
  if (const int id = settings_.key[index]; id >= 0) {
    const View& view = part.plan->view(id);
    require(part.plan->kind(id) == Kind::input && view.dtype == Dtype::uint32 && view.size() == 4,
            "the key is an input uint32[4]");
    part.key = view.as<std::uint32_t>();
    part.key[0] = static_cast<std::uint32_t>(settings_.seed);
    part.key[1] = static_cast<std::uint32_t>(settings_.seed >> 32);
  }
  if (const int id = settings_.loss[index]; id >= 0) {
    const View& view = part.plan->view(id);
    require(view.data != nullptr && view.dtype == Dtype::float32 && view.size() == 1, "the loss is a float32 scalar");
    part.loss = view.as<const float>();
  }
  return part;
}

// The gather of a batch is the kernel `take`, from the source's rows into the input buffer.
void Loop::gather_from(Part& part, std::size_t source, int buffer) {
  require(part.plan->kind(buffer) == Kind::input, "sources are gathered into input buffers");
  View table = settings_.sources[source], target = part.plan->view(buffer);
  const auto batch = static_cast<std::int64_t>(part.rows.size());
  if (target.rank() == 0 || target.shape[0] != batch || target.size() / batch != table.size() / rows_)
    refuse("source " + std::to_string(source) + " has rows of shape " + shape_text(table.shape) +
           ", its input buffer the shape " + shape_text(target.shape));
  table.shape = {rows_, table.size() / rows_};
  target.shape = {batch, table.shape[1]};
  const View inputs[] = {table, {part.rows.data(), Dtype::int64, {batch}}};
  std::unique_ptr<Kernel> gather =
      find_kernel("take").factory({}, Views(inputs), Views(&target, 1), {part.plan->threads(), part.plan->bad_id()});
  if (gather) part.gathers.push_back(std::move(gather));
}

void Loop::set_order() {
  if (settings_.shuffle)
    shuffle(settings_.seed, static_cast<std::uint64_t>(epoch_), order_);
  else if (epoch_ == settings_.first_epoch)
    std::iota(order_.begin(), order_.end(), std::int64_t{0});
}

Loop::Step Loop::run_step() {
  Part& part = parts_[rows_ - position_ < settings_.batch ? 1 : 0];
  if (part.key != nullptr) {
    part.key[2] = static_cast<std::uint32_t>(step_);
    part.key[3] = static_cast<std::uint32_t>(static_cast<std::uint64_t>(step_) >> 32);
  }
  std::memcpy(part.rows.data(), order_.data() + position_, part.rows.size() * sizeof(std::int64_t));
  for (const std::unique_ptr<Kernel>& gather : part.gathers) gather->run();
  part.plan->run();
  if (*part.plan->bad_id()) return Step::id;
  const bool finite = part.loss == nullptr || std::isfinite(*part.loss);
  finish_batch(part);
  return finite ? Step::good : Step::nonfinite;
}

void Loop::finish_batch(const Part& part) {
  double* total = partial_.data();
  for (const auto& [from, count] : part.totals)
    for (std::int64_t i = 0; i < count; ++i) *total++ += static_cast<double>(from[i]);
  for (const Part::Collect& collect : part.collects)
    for (std::size_t i = 0; i < part.rows.size(); ++i)
      std::memcpy(collect.to + static_cast<std::size_t>(part.rows[i]) * collect.row_bytes,
                  collect.from + i * collect.row_bytes, collect.row_bytes);
  ++step_;
  position_ += static_cast<std::int64_t>(part.rows.size());
  if (position_ == rows_) end_epoch();
}

void Loop::end_epoch() {
  if (!replaying_) ended_.insert(ended_.end(), partial_.begin(), partial_.end());
  std::fill(partial_.begin(), partial_.end(), 0.0);
  position_ = 0;
  ++epoch_;
  if (epoch_ < last_epoch()) set_order();
}

Status Loop::advance(double seconds, std::int64_t epochs, std::int64_t most) {
  const Clock::time_point start = Clock::now();
  const std::int64_t until = std::min(last_epoch(), epoch_ + std::max<std::int64_t>(epochs, 1));
  if (!settings_.watch.empty() && snapshots_.empty()) take_snapshot();
  Clock::time_point look = start;
  std::int64_t steps = 0;
  while (epoch_ < until) {
    if (stopped_.load(std::memory_order_relaxed)) {
      stopped_.store(false, std::memory_order_relaxed);
      return Status::stop;
    }
    const Step outcome = run_step();
    if (outcome == Step::nonfinite) return Status::nonfinite;
    if (outcome == Step::id) {
      *parts_[0].plan->bad_id() = false;
      *parts_.back().plan->bad_id() = false;
      return Status::id;
    }
    const bool enough = --most <= 0;
    if (++steps < steps_between_looks_ && seconds > 0 && !enough) continue;
    const Clock::time_point now = Clock::now();
    const double each = std::chrono::duration<double>(now - look).count() / static_cast<double>(steps);
    steps_between_looks_ = std::clamp(static_cast<std::int64_t>(look_seconds / std::max(each, 1e-9)), std::int64_t{1},
                                      most_steps_between_looks);
    look = now, steps = 0;
    if (now >= next_snapshot_ && !settings_.watch.empty()) take_snapshot();
    const bool late = std::chrono::duration<double>(now - start).count() >= seconds;
    if ((enough || late) && epoch_ < until) return Status::time;
  }
  return epoch_ == last_epoch() ? Status::done : Status::epoch;
}

void Loop::take_snapshot() {
  const Clock::time_point start = Clock::now();
  Snapshot snapshot;
  if (snapshots_.size() == 2) {  // the oldest one's memory serves again
    snapshot = std::move(snapshots_.front());
    snapshots_.erase(snapshots_.begin());
  }
  snapshot.step = step_, snapshot.epoch = epoch_, snapshot.position = position_, snapshot.partial = partial_;
  std::size_t bytes = 0;
  for (const View& view : settings_.watch) bytes += view.bytes();
  snapshot.bytes.resize(bytes);
  std::byte* to = snapshot.bytes.data();
  for (const View& view : settings_.watch) {
    std::memcpy(to, view.data, view.bytes());
    to += view.bytes();
  }
  snapshots_.push_back(std::move(snapshot));
  const double wait = std::max(snapshot_seconds, seconds_since(start) / snapshot_share);
  next_snapshot_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(wait));
}

void Loop::snapshot() {
  while (!snapshots_.empty() && snapshots_.back().step == step_) snapshots_.pop_back();
  if (!settings_.watch.empty()) take_snapshot();
}

void Loop::restore(const Snapshot& snapshot) {
  const std::byte* from = snapshot.bytes.data();
  for (const View& view : settings_.watch) {
    std::memcpy(view.data, from, view.bytes());
    from += view.bytes();
  }
  step_ = snapshot.step, position_ = snapshot.position, partial_ = snapshot.partial;
  epoch_ = snapshot.epoch;
  if (epoch_ < last_epoch()) set_order();
}

void Loop::rewind(std::int64_t step) {
  require(!snapshots_.empty(), "no snapshot was taken: nothing to rewind to");
  if (step < snapshots_.front().step || step > step_)
    refuse("step " + std::to_string(step) + " is not between the oldest snapshot, " +
           std::to_string(snapshots_.front().step) + ", and step " + std::to_string(step_));
  while (snapshots_.back().step > step) snapshots_.pop_back();
  const std::int64_t epoch = settings_.first_epoch + (step - settings_.first_step) / steps_per_epoch();
  const auto undone = static_cast<std::size_t>(epoch_ - std::min(epoch, epoch_)) * partial_.size();
  ended_.resize(ended_.size() - std::min(ended_.size(), undone));
  restore(snapshots_.back());
  replaying_ = true;
  while (step_ < step && run_step() != Step::id) continue;
  replaying_ = false;
}

std::vector<std::int64_t> Loop::rows(std::int64_t step) const {
  const std::int64_t index = step - settings_.first_step;
  if (index < 0 || index >= settings_.epochs * steps_per_epoch())
    refuse("step " + std::to_string(step) + " is not one of this loop's");
  const std::int64_t epoch = settings_.first_epoch + index / steps_per_epoch();
  const std::int64_t begin = index % steps_per_epoch() * settings_.batch;
  const std::int64_t end = std::min(begin + settings_.batch, rows_);
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows_));
  if (settings_.shuffle)
    pellucid::shuffle(settings_.seed, static_cast<std::uint64_t>(epoch), order);
  else
    std::iota(order.begin(), order.end(), std::int64_t{0});
  return {order.begin() + begin, order.begin() + end};
}

}  // namespace pellucid

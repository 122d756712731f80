// The Python face of the engine: bindings only.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "arrays.hpp"
#include "isa.hpp"
#include "kernel.hpp"
#include "loop.hpp"
#include "peak.hpp"
#include "plan.hpp"

#if defined(PELLUCID_ONEDNN)
#include <oneapi/dnnl/dnnl.h>
#endif

namespace nb = nanobind;
using namespace nb::literals;

namespace pellucid {
namespace {

Kind kind_named(const std::string& name) {
  if (name == "variable") return Kind::variable;
  if (name == "constant") return Kind::constant;
  if (name == "input") return Kind::input;
  if (name == "temporary") return Kind::temporary;
  if (name == "output") return Kind::output;
  if (name == "view") return Kind::view;
  refuse("unknown kind of buffer \"" + name + "\"");
}

Dtype dtype_named(const std::string& name) {
  for (const Dtype dtype : {Dtype::float32, Dtype::bfloat16, Dtype::int32, Dtype::uint32, Dtype::boolean})
    if (name == dtype_name(dtype)) return dtype;
  refuse("unknown dtype \"" + name + "\"");
}

Attributes::Value attribute_value(const std::string& name, nb::handle value) {
  if (PyLong_Check(value.ptr())) return nb::cast<std::int64_t>(value);  // bool too
  if (PyFloat_Check(value.ptr())) return nb::cast<double>(value);
  if (PyUnicode_Check(value.ptr())) return nb::cast<std::string>(value);
  if (PyList_Check(value.ptr()) || PyTuple_Check(value.ptr())) {
    bool integers = true, numbers = true;
    for (nb::handle item : value) {
      integers = integers && PyLong_Check(item.ptr());
      numbers = numbers && (PyLong_Check(item.ptr()) || PyFloat_Check(item.ptr()));
    }
    if (integers) return nb::cast<std::vector<std::int64_t>>(value);
    if (numbers) return nb::cast<std::vector<double>>(value);
    return nb::cast<std::vector<std::string>>(value);
  }
  refuse("attribute " + name + " must be an integer, a float, a string or a list of one of them");
}

// A plan, the arrays it refers to, and one caller at a time.
class PythonPlan {
 public:
  PythonPlan(const std::vector<nb::tuple>& buffers, nb::dict arrays,
             const std::vector<std::tuple<std::string, nb::dict, std::vector<int>, std::vector<int>>>& instructions,
             int threads) {
    std::vector<Buffer> buffer_list;
    for (const nb::tuple& buffer : buffers) {
      if (buffer.size() < 3 || buffer.size() > 4) refuse("a buffer is (kind, dtype, shape), of a view (…, buffer)");
      buffer_list.push_back({kind_named(nb::cast<std::string>(buffer[0])),
                             dtype_named(nb::cast<std::string>(buffer[1])), nb::cast<Shape>(buffer[2]),
                             buffer.size() == 4 ? nb::cast<int>(buffer[3]) : -1});
    }
    std::map<int, View> views;
    for (auto [id, array] : arrays) {
      const int key = nb::cast<int>(id);
      if (key < 0 || key >= static_cast<int>(buffer_list.size()))
        refuse("arrays: there is no buffer " + std::to_string(key));
      const bool variable = buffer_list[key].kind == Kind::variable;
      if (!variable && buffer_list[key].kind != Kind::constant)
        refuse("arrays: buffer " + std::to_string(key) + " is neither a variable nor a constant");
      const std::string where = "array of buffer " + std::to_string(key);
      held_.emplace_back(array, variable ? Array::Access::write : Array::Access::read, where.c_str());
      views[key] = held_.back().view();
    }
    std::vector<Instruction> instruction_list;
    for (const auto& [kernel, attributes, inputs, outputs] : instructions) {
      Instruction& instruction = instruction_list.emplace_back(Instruction{kernel, {}, inputs, outputs});
      for (auto [name, value] : attributes) {
        const std::string key = nb::cast<std::string>(name);
        instruction.attributes.set(key, attribute_value(key, value));
      }
    }
    plan_ = std::make_unique<Plan>(std::move(buffer_list), views, std::move(instruction_list), threads);
  }

  Plan& plan() { return *plan_; }
  std::mutex& mutex() { return mutex_; }

  void set(int id, nb::handle object) {
    const Array array(object, Array::Access::read, "set");
    const std::lock_guard lock(mutex_);
    fill(id, array.view());
  }

  void run() {
    const auto unlock = release_if_long();
    const std::lock_guard lock(mutex_);
    timed_run();
  }

  nb::object get(int id) {
    const View& view = plan_->view(id);
    nb::object result = empty_array(view.shape, view.dtype);
    const Array array(result, Array::Access::write, "get");
    const std::lock_guard lock(mutex_);
    std::memcpy(array.view().data, view.data, view.bytes());
    return result;
  }

  nb::list call(nb::sequence inputs, const std::vector<int>& input_ids, const std::vector<int>& output_ids) {
    std::vector<Array> arrays;
    for (nb::handle object : inputs) arrays.emplace_back(object, Array::Access::read, "call");
    if (arrays.size() != input_ids.size()) refuse("call: as many arrays as input ids are needed");
    nb::list results;
    std::vector<Array> targets;
    for (const int id : output_ids) {
      const View& view = plan_->view(id);
      nb::object result = empty_array(view.shape, view.dtype);
      targets.emplace_back(result, Array::Access::write, "call");
      results.append(std::move(result));
    }
    const auto unlock = release_if_long();
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < arrays.size(); ++i) fill(input_ids[i], arrays[i].view());
    timed_run();
    for (std::size_t i = 0; i < targets.size(); ++i)
      std::memcpy(targets[i].view().data, plan_->view(output_ids[i]).data, plan_->view(output_ids[i]).bytes());
    return results;
  }

 private:
  // A short run keeps the GIL: taking it back from a busy thread costs more than it lends.
  std::unique_ptr<nb::gil_scoped_release> release_if_long() const {
    return seconds_ > 50e-6 ? std::make_unique<nb::gil_scoped_release>() : nullptr;
  }

  void timed_run() {
    using clock = std::chrono::steady_clock;
    const auto start = clock::now();
    plan_->run();
    seconds_ = std::chrono::duration<double>(clock::now() - start).count();
    if (plan_->take_bad_id()) throw nb::index_error("an id is out of range");
  }

  void fill(int id, const View& source) {
    if (plan_->kind(id) != Kind::input) refuse("buffer " + std::to_string(id) + " is not an input");
    const std::string where = "input buffer " + std::to_string(id);
    copy_converted(source, plan_->view(id), where.c_str());
  }

  std::vector<Array> held_;
  std::unique_ptr<Plan> plan_;
  std::mutex mutex_;
  double seconds_ = 1.0;  // of the last run
};

// A loop, its plans and arrays. All but `stop` waits for an `advance` that runs in another thread.
class PythonLoop {
 public:
  PythonLoop(const std::vector<nb::object>& plans, std::int64_t batch, nb::sequence sources,
             std::vector<std::vector<int>> inputs, std::vector<std::vector<int>> totals,
             const std::vector<std::pair<std::vector<int>, nb::object>>& collects, std::vector<int> key,
             std::vector<int> loss, std::uint64_t seed, std::int64_t epochs, bool shuffle, std::int64_t first_epoch,
             std::int64_t first_step, nb::sequence watch)
      : plans_(plans) {
    LoopSettings settings;
    for (const nb::object& object : plans) {
      auto& plan = nb::cast<PythonPlan&>(object);
      settings.plans.push_back(&plan.plan());
      plan_mutexes_.insert(&plan.mutex());
    }
    settings.batch = batch;
    for (nb::handle source : sources) settings.sources.push_back(hold(source, Array::Access::read, "source"));
    settings.inputs = std::move(inputs), settings.totals = std::move(totals);
    for (const auto& [ids, destination] : collects)
      settings.collects.emplace_back(ids, hold(destination, Array::Access::write, "destination"));
    settings.key = std::move(key), settings.loss = std::move(loss);
    settings.seed = seed, settings.epochs = epochs, settings.shuffle = shuffle;
    settings.first_epoch = first_epoch, settings.first_step = first_step;
    for (nb::handle array : watch) settings.watch.push_back(hold(array, Array::Access::write, "watch"));
    loop_ = std::make_unique<Loop>(std::move(settings));
  }

  const char* advance(double seconds, std::int64_t epochs, std::int64_t most) {
    const nb::gil_scoped_release unlock;
    const std::lock_guard lock(mutex_);
    std::vector<std::unique_lock<std::mutex>> plans;
    for (std::mutex* mutex : plan_mutexes_) plans.emplace_back(*mutex);
    switch (loop_->advance(seconds, epochs, most)) {
      case Status::time: return "time";
      case Status::epoch: return "epoch";
      case Status::nonfinite: return "nonfinite";
      case Status::id: return "id";
      case Status::stop: return "stop";
      default: return "done";
    }
  }
  void stop() { loop_->stop(); }

  // Calls f(loop) when no other thread is inside.
  template <typename F>
  auto with(const F& f) {
    const nb::gil_scoped_release unlock;
    const std::lock_guard lock(mutex_);
    return f(*loop_);
  }

 private:
  View hold(nb::handle object, Array::Access access, const char* where) {
    return held_.emplace_back(object, access, where).view();
  }

  std::vector<nb::object> plans_;
  std::set<std::mutex*> plan_mutexes_;  // in the order of addresses, so that two loops cannot wait for each other
  std::vector<Array> held_;
  std::unique_ptr<Loop> loop_;
  std::mutex mutex_;
};

nb::object totals_array(const std::vector<double>& totals, std::size_t columns, bool flat) {
  const auto n = static_cast<std::int64_t>(totals.size());
  const auto width = static_cast<std::int64_t>(columns);
  nb::object array = empty_array(flat ? Shape{n} : Shape{width == 0 ? 0 : n / width, width}, Dtype::float64);
  if (n > 0) std::memcpy(Array(array, Array::Access::write, "totals").view().data, totals.data(), totals.size() * 8);
  return array;
}

nb::object rows_array(const std::vector<std::int64_t>& rows) {
  nb::object array = empty_array({static_cast<std::int64_t>(rows.size())}, Dtype::int64);
  if (!rows.empty()) std::memcpy(Array(array, Array::Access::write, "rows").view().data, rows.data(), rows.size() * 8);
  return array;
}

int processors() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

nb::dict info() {
  nb::dict result;
  result["isa"] = level();
  result["levels"] = level_names();
  result["bfloat16"] = bfloat16_unit();
  result["threads"] = processors();
  std::string onednn;
#if defined(PELLUCID_ONEDNN)
  const dnnl_version_t* const version = dnnl_version();
  onednn = std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
#endif
  result["onednn"] = onednn;
  return result;
}

}  // namespace
}  // namespace pellucid

NB_MODULE(_native, m) {
  using namespace pellucid;
  m.doc() = "The native engine: see docs/design/engine.md.";
  m.def("kernels", &kernel_names);
  m.def("info", &info);
  nb::class_<PythonPlan>(m, "Plan")
      .def(nb::init<const std::vector<nb::tuple>&, nb::dict,
                    const std::vector<std::tuple<std::string, nb::dict, std::vector<int>, std::vector<int>>>&, int>(),
           "buffers"_a, "arrays"_a, "instructions"_a, "threads"_a = 2)
      .def("set", &PythonPlan::set, "buffer_id"_a, "array"_a)
      .def("run", &PythonPlan::run)
      .def("get", &PythonPlan::get, "buffer_id"_a)
      .def("call", &PythonPlan::call, "arrays"_a, "input_ids"_a, "output_ids"_a)
      .def_prop_ro("arena_bytes", [](PythonPlan& self) { return self.plan().arena_bytes(); })
      .def_prop_ro("threads", [](PythonPlan& self) { return self.plan().threads(); })
      .def(
          "profile",
          [](PythonPlan& self, int repeats) {
            if (repeats < 1) refuse("profile: repeats must be at least 1");
            std::vector<Plan::Timing> timings;
            {
              const nb::gil_scoped_release unlock;
              const std::lock_guard lock(self.mutex());
              timings = self.plan().profile(repeats);
            }
            nb::list result;
            for (const Plan::Timing& timing : timings)
              result.append(nb::make_tuple(timing.kernel, timing.attributes, timing.seconds));
            return result;
          },
          "repeats"_a = 10);

  m.def(
      "shuffle",
      [](std::uint64_t seed, std::uint64_t epoch, std::int64_t n) {
        if (n < 0 || n >= std::int64_t{1} << 32) refuse("n must lie between 0 and 2^32");
        std::vector<std::int64_t> order(static_cast<std::size_t>(n));
        shuffle(seed, epoch, order);
        return rows_array(order);
      },
      "seed"_a, "epoch"_a, "n"_a);
  m.def(
      "peak",
      [](const std::string& kind, double seconds) {
        const nb::gil_scoped_release unlock;
        return peak(kind, seconds, processors());
      },
      "kind"_a, "seconds"_a = 1.0);
  nb::class_<PythonLoop>(m, "Loop")
      .def(nb::init<const std::vector<nb::object>&, std::int64_t, nb::sequence, std::vector<std::vector<int>>,
                    std::vector<std::vector<int>>, const std::vector<std::pair<std::vector<int>, nb::object>>&,
                    std::vector<int>, std::vector<int>, std::uint64_t, std::int64_t, bool, std::int64_t, std::int64_t,
                    nb::sequence>(),
           "plans"_a, "batch"_a, "sources"_a, "inputs"_a, "totals"_a, "collects"_a, "key"_a, "loss"_a, "seed"_a = 0,
           "epochs"_a = 1, "shuffle"_a = true, "first_epoch"_a = 0, "first_step"_a = 0, "watch"_a = nb::list())
      .def("advance", &PythonLoop::advance, "seconds"_a, "epochs"_a, "most"_a = std::int64_t{1} << 62)
      .def("stop", &PythonLoop::stop)
      .def(
          "rewind", [](PythonLoop& self, std::int64_t step) { self.with([&](Loop& loop) { loop.rewind(step); }); },
          "step"_a)
      .def("snapshot", [](PythonLoop& self) { self.with([](Loop& loop) { loop.snapshot(); }); })
      .def(
          "rows",
          [](PythonLoop& self, std::int64_t step) {
            return rows_array(self.with([&](Loop& loop) { return loop.rows(step); }));
          },
          "step"_a)
      .def("take_totals",
           [](PythonLoop& self) {
             std::size_t columns = 0;
             const auto totals = self.with([&](Loop& loop) {
               columns = loop.totals_size();
               return loop.take_totals();
             });
             return totals_array(totals, columns, false);
           })
      .def("partial_totals",
           [](PythonLoop& self) {
             return totals_array(self.with([](Loop& loop) { return loop.partial_totals(); }), 0, true);
           })
      .def_prop_ro("epoch", [](PythonLoop& self) { return self.with([](Loop& loop) { return loop.epoch(); }); })
      .def_prop_ro("position", [](PythonLoop& self) { return self.with([](Loop& loop) { return loop.position(); }); })
      .def_prop_ro("step", [](PythonLoop& self) { return self.with([](Loop& loop) { return loop.step(); }); });
}

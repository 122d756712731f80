// The Python face of the engine: bindings only.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <map>
#include <mutex>

#include "arrays.hpp"
#include "isa.hpp"
#include "kernel.hpp"
#include "plan.hpp"

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
      buffer_list.push_back({kind_named(nb::cast<std::string>(buffer[0])), dtype_named(nb::cast<std::string>(buffer[1])),
                             nb::cast<Shape>(buffer[2]), buffer.size() == 4 ? nb::cast<int>(buffer[3]) : -1});
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
    if (plan_->take_bad_id()) refuse("an id is out of range");
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

nb::dict info() {
  nb::dict result;
  result["isa"] = level();
  result["bfloat16"] = bfloat16_unit();
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
      .def(nb::init<const std::vector<std::tuple<std::string, std::string, Shape>>&, nb::dict,
                    const std::vector<std::tuple<std::string, nb::dict, std::vector<int>, std::vector<int>>>&, int>(),
           "buffers"_a, "arrays"_a, "instructions"_a, "threads"_a = 2)
      .def("set", &PythonPlan::set, "buffer_id"_a, "array"_a)
      .def("run", &PythonPlan::run)
      .def("get", &PythonPlan::get, "buffer_id"_a)
      .def("call", &PythonPlan::call, "arrays"_a, "input_ids"_a, "output_ids"_a)
      .def_prop_ro("arena_bytes", [](PythonPlan& self) { return self.plan().arena_bytes(); })
      .def_prop_ro("threads", [](PythonPlan& self) { return self.plan().threads(); })
      .def("profile",
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
}

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "isa.hpp"
#include "kernel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

NB_MODULE(_native, m) {
  m.def("kernels", &pellucid::kernel_names);
  m.def("info", [] {
    nb::dict info;
    info["isa"] = pellucid::level();
    return info;
  });
}

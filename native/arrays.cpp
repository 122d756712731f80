#include "arrays.hpp"

#include "convert.hpp"

namespace pellucid {
namespace nb = nanobind;
namespace {

// The struct module's codes; the sizes of `l` and `L` are the platform's. False: no dtype of ours.
bool dtype_of(const char* format, std::size_t bytes, Dtype& dtype) {
  if (format == nullptr) return false;
  if (*format == '=' || *format == '<' || *format == '@') ++format;
  if (*format == '\0' || format[1] != '\0') return false;
  switch (*format) {
    case 'f': dtype = Dtype::float32; return true;
    case 'd': dtype = Dtype::float64; return true;
    case '?': dtype = Dtype::boolean; return true;
    case 'B': dtype = Dtype::uint8; return true;
    case 'H': dtype = Dtype::bfloat16; return true;
    case 'i':
    case 'l':
    case 'q': dtype = bytes == 4 ? Dtype::int32 : Dtype::int64; return true;
    case 'I':
    case 'L': dtype = Dtype::uint32; return bytes == 4;
    default: return false;
  }
}

}  // namespace

Array::Array(nb::handle object, Access access, const char* where) {
  const int flags = PyBUF_ND | PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (access == Access::write ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(object.ptr(), &buffer_, flags) != 0) {
    PyErr_Clear();
    refuse(std::string(where) + ": needs a C-contiguous" + (access == Access::write ? ", writable" : "") +
           " array of numbers");
  }
  if (!dtype_of(buffer_.format, static_cast<std::size_t>(buffer_.itemsize), view_.dtype)) {
    const std::string format = buffer_.format != nullptr ? buffer_.format : "";
    PyBuffer_Release(&buffer_);
    refuse(std::string(where) + ": arrays of format \"" + format +
           "\" are not supported; float32, float64, uint8, uint16 (bfloat16), int32, int64, uint32 and bool are");
  }
  static char empty[1];  // absent operands have no data, empty arrays have this
  view_.data = buffer_.buf != nullptr ? buffer_.buf : empty;
  view_.shape.assign(buffer_.shape, buffer_.shape + buffer_.ndim);
}

nb::object empty_array(const Shape& shape, Dtype dtype) {
  // Kept for good: looked up once, and never released after the interpreter has gone.
  static const auto* const numpy_empty = new nb::object(nb::module_::import_("numpy").attr("empty"));
  static const auto* const names = [] {
    auto* all = new std::vector<nb::object>;
    const nb::module_ numpy = nb::module_::import_("numpy");
    for (const char* name : {"float32", "uint16", "int32", "uint32", "bool_", "float64", "int64", "uint8"})
      all->push_back(numpy.attr("dtype")(numpy.attr(name)));
    return all;
  }();
  nb::object sizes = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(shape.size())));
  for (std::size_t i = 0; i < shape.size(); ++i)
    PyTuple_SET_ITEM(sizes.ptr(), static_cast<Py_ssize_t>(i), PyLong_FromLongLong(shape[i]));
  PyObject* arguments[] = {sizes.ptr(), (*names)[static_cast<std::size_t>(dtype)].ptr()};
  PyObject* array = PyObject_Vectorcall(numpy_empty->ptr(), arguments, 2, nullptr);
  if (array == nullptr) throw nb::python_error();
  return nb::steal(array);
}

void copy_converted(const View& source, const View& target, const char* where) {
  if (source.shape != target.shape)
    refuse(std::string(where) + ": shape " + shape_text(source.shape) + " where " + shape_text(target.shape) +
           " is needed");
  if (source.dtype == target.dtype) {
    std::memcpy(target.data, source.data, target.bytes());
    return;
  }
  if (!convertible(source.dtype, target.dtype))
    refuse(std::string(where) + ": " + dtype_name(source.dtype) + " cannot become " + dtype_name(target.dtype));
  const std::int64_t n = target.size();
  with_type(source.dtype, [&](auto from) {
    with_type(target.dtype, [&](auto to) {
      const auto* x = source.as<const decltype(from)>();
      auto* y = target.as<decltype(to)>();
      for (std::int64_t i = 0; i < n; ++i) y[i] = convert<decltype(to)>(x[i]);
    });
  });
}

}  // namespace pellucid

// NumPy arrays seen through Python's buffer protocol: no copy, no need of NumPy's headers.
#pragma once

#include <nanobind/nanobind.h>

#include <utility>

#include "kernel.hpp"

namespace pellucid {

// Holds a contiguous array's memory for as long as it lives. Needs the GIL, also to let go.
class Array {
 public:
  enum class Access { read, write };

  // `where` begins the message if the array cannot be used.
  Array(nanobind::handle object, Access access, const char* where);
  Array(Array&& other) noexcept : buffer_(std::exchange(other.buffer_, {})), view_(std::move(other.view_)) {}
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  Array& operator=(Array&&) = delete;
  ~Array() {
    if (buffer_.obj != nullptr) PyBuffer_Release(&buffer_);
  }

  const View& view() const { return view_; }

 private:
  Py_buffer buffer_{};
  View view_;
};

// A new NumPy array; bfloat16 comes as uint16, its words.
nanobind::object empty_array(const Shape& shape, Dtype dtype);
// Copies between arrays of equal shape, with conversion; refuses what `convertible` does not allow.
void copy_converted(const View& source, const View& target, const char* where);

}  // namespace pellucid

// Rows by number: take (also the loop's gather of a batch, with conversion), scatter_add, one_hot.
#include <algorithm>
#include <cstring>

#include "../convert.hpp"
#include "../kernel.hpp"
#include "../threads.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

// Row numbers as int64, all of them inside the table, or not at all.
class Rows {
 public:
  Rows(const View& ids, std::int64_t rows, bool* bad_id) : ids_(ids), rows_(rows), bad_id_(bad_id) {
    require(ids.dtype == Dtype::int32 || ids.dtype == Dtype::int64, "ids are int32");
    checked_.resize(static_cast<std::size_t>(ids.size()));
  }

  // Null if an id is out of range; the run is marked then.
  const std::int64_t* read() {
    const bool good = ids_.dtype == Dtype::int32 ? read_as<std::int32_t>() : read_as<std::int64_t>();
    if (!good) *bad_id_ = true;
    return good ? checked_.data() : nullptr;
  }
  std::int64_t count() const { return static_cast<std::int64_t>(checked_.size()); }

 private:
  template <typename T>
  bool read_as() {
    const T* const ids = ids_.as<const T>();
    bool good = true;
    for (std::size_t i = 0; i < checked_.size(); ++i) {
      checked_[i] = ids[i];
      good &= checked_[i] >= 0 && checked_[i] < rows_;
    }
    return good;
  }

  View ids_;
  std::int64_t rows_;
  bool* bad_id_;
  std::vector<std::int64_t> checked_;
};

// Rows of a large table lie anywhere in memory: asking for the next one while this one is copied hides the way there.
inline void fetch_ahead(const void* row, std::int64_t bytes) {
  for (std::int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(static_cast<const std::byte*>(row) + at);
}

template <typename Source, typename Target>
void copy_rows(const void* table, const std::int64_t* ids, void* y, std::int64_t count, std::int64_t row) {
  const auto* const from = static_cast<const Source*>(table);
  auto* to = static_cast<Target*>(y);
  if (row == 1) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = convert<Target>(from[ids[i]]);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i, to += row) {
    const Source* const x = from + ids[i] * row;
    if (row >= 64 && i + 1 < count)
      fetch_ahead(from + ids[i + 1] * row, row * static_cast<std::int64_t>(sizeof(Source)));
    if constexpr (std::is_same_v<Source, Target>) {
      if (row >= 64) {
        std::memcpy(to, x, static_cast<std::size_t>(row) * sizeof(Target));
        continue;
      }
    }
    for (std::int64_t j = 0; j < row; ++j) to[j] = convert<Target>(x[j]);
  }
}

class Take final : public Kernel {
 public:
  Take(const View& table, const View& ids, const View& y, const Context& context)
      : rows_(ids, table.shape[0], context.bad_id), table_(table.data), y_(y.as<std::byte>()) {
    row_ = y.size() / std::max<std::int64_t>(1, rows_.count());
    row_bytes_ = row_ * static_cast<std::int64_t>(item_size(y.dtype));
    parts_ = threads_for(static_cast<double>(y.bytes() + table.bytes() / std::max<std::int64_t>(1, table.shape[0]) *
                                                             static_cast<std::size_t>(rows_.count())) /
                             8000,
                         context.threads);
    with_type(table.dtype, [&](auto source) {
      with_type(y.dtype, [&](auto target) { copy_ = &copy_rows<decltype(source), decltype(target)>; });
    });
  }

  void run() override {
    const std::int64_t* const ids = rows_.read();
    if (ids == nullptr) return;
    parallel(parts_, [&](int part) {
      const Range range = share(rows_.count(), part, parts_);
      copy_(table_, ids + range.begin, y_ + range.begin * row_bytes_, range.end - range.begin, row_);
    });
  }

 private:
  Rows rows_;
  const void* table_;
  std::byte* y_;
  std::int64_t row_, row_bytes_;
  int parts_;
  void (*copy_)(const void*, const std::int64_t*, void*, std::int64_t, std::int64_t);
};

Shape taken_shape(const Shape& table, const Shape& ids) {
  Shape shape = ids;
  shape.insert(shape.end(), table.begin() + 1, table.end());
  return shape;
}

std::unique_ptr<Kernel> make_take(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 2 && inputs[0] && inputs[1] && outputs.size() == 1, "takes a table and ids and gives y");
  const View &table = inputs[0], &ids = inputs[1], &y = outputs[0];
  require(table.rank() >= 1, "the table has rows");
  require(y.shape == taken_shape(table.shape, ids.shape), "y has the shape of ids, then that of one row");
  if (!convertible(table.dtype, y.dtype))
    refuse(std::string(dtype_name(table.dtype)) + " cannot become " + dtype_name(y.dtype));
  if (ids.size() == 0) return nullptr;
  return std::make_unique<Take>(table, ids, y, context);
}

class ScatterAdd final : public Kernel {
 public:
  ScatterAdd(const View& g, const View& ids, const View& y, const Context& context)
      : rows_(ids, y.shape[0], context.bad_id), g_(g.as<const float>()), y_(y), row_(1) {
    for (std::size_t i = 1; i < y.rank(); ++i) row_ *= y.shape[i];
    // Each thread adds its own columns, so that the order of every sum is that of the ids.
    parts_ = row_ < 32 ? 1 : threads_for(static_cast<double>(g.size()) * 0.2e-3, context.threads);
  }

  void run() override {
    std::memset(y_.data, 0, y_.bytes());
    const std::int64_t* const ids = rows_.read();
    if (ids == nullptr) return;
    parallel(parts_, [&](int part) {
      const Range range = share(row_, part, parts_, 16);
      for (std::int64_t i = 0; i < rows_.count(); ++i) {
        float* const y = y_.as<float>() + ids[i] * row_;
        const float* const g = g_ + i * row_;
        for (std::int64_t j = range.begin; j < range.end; ++j) y[j] += g[j];
      }
    });
  }

 private:
  Rows rows_;
  const float* g_;
  View y_;
  std::int64_t row_;
  int parts_;
};

std::unique_ptr<Kernel> make_scatter_add(const Attributes&, Views inputs, Views outputs, const Context& context) {
  require(inputs.size() == 2 && inputs[0] && inputs[1] && outputs.size() == 1, "takes g and ids and gives y");
  const View &g = inputs[0], &ids = inputs[1], &y = outputs[0];
  require(g.dtype == Dtype::float32 && y.dtype == Dtype::float32, "g and y are float32");
  require(y.rank() >= 1 && g.shape == taken_shape(y.shape, ids.shape), "g has the shape of ids, then that of one row");
  if (y.size() == 0 && ids.size() == 0) return nullptr;
  return std::make_unique<ScatterAdd>(g, ids, y, context);
}

class OneHot final : public Kernel {
 public:
  OneHot(const View& ids, const View& y, std::int64_t depth) : ids_(ids), y_(y), depth_(depth) {}

  void run() override {
    std::memset(y_.data, 0, y_.bytes());
    const std::int32_t* const ids = ids_.as<const std::int32_t>();
    float* const y = y_.as<float>();
    const std::int64_t n = ids_.size();
    for (std::int64_t i = 0; i < n; ++i)
      if (ids[i] >= 0 && ids[i] < depth_) y[i * depth_ + ids[i]] = 1.0f;
  }

 private:
  View ids_, y_;
  std::int64_t depth_;
};

std::unique_ptr<Kernel> make_one_hot(const Attributes& attributes, Views inputs, Views outputs, const Context&) {
  require(inputs.size() == 1 && inputs[0] && outputs.size() == 1, "takes ids and gives y");
  const std::int64_t depth = attributes.integer("depth");
  Shape expected = inputs[0].shape;
  expected.push_back(depth);
  require(inputs[0].dtype == Dtype::int32 && outputs[0].dtype == Dtype::float32, "ids are int32, y is float32");
  require(outputs[0].shape == expected, "y has the shape of ids, then depth");
  if (outputs[0].size() == 0) return nullptr;
  return std::make_unique<OneHot>(inputs[0], outputs[0], depth);
}

}  // namespace
REGISTER_KERNEL("take", make_take)
REGISTER_KERNEL("scatter_add", make_scatter_add)
REGISTER_KERNEL("one_hot", make_one_hot)
}  // namespace pellucid::PELLUCID_LEVEL

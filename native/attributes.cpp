#include <sstream>
#include <stdexcept>

#include "kernel.hpp"

namespace pellucid {
namespace {

// An empty Python list has no element type: it stands for an empty list of any.
template <typename T>
T list_of(const Attributes::Value& value, std::string_view name, const char* wanted) {
  if (const T* list = std::get_if<T>(&value)) return *list;
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value)) {
    if (integers->empty()) return {};
    if constexpr (std::is_same_v<T, std::vector<double>>) return {integers->begin(), integers->end()};
  }
  refuse("attribute " + std::string(name) + " must be " + wanted);
}

}  // namespace

std::size_t item_size(Dtype dtype) {
  switch (dtype) {
    case Dtype::boolean:
    case Dtype::uint8: return 1;
    case Dtype::bfloat16: return 2;
    case Dtype::float64:
    case Dtype::int64: return 8;
    default: return 4;
  }
}

const char* dtype_name(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32: return "float32";
    case Dtype::bfloat16: return "bfloat16";
    case Dtype::int32: return "int32";
    case Dtype::uint32: return "uint32";
    case Dtype::float64: return "float64";
    case Dtype::int64: return "int64";
    case Dtype::uint8: return "uint8";
    default: return "bool";
  }
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

void refuse(const std::string& message) { throw std::invalid_argument(message); }

void Attributes::set(std::string name, Value value) { entries_[std::move(name)] = {std::move(value)}; }

const Attributes::Entry* Attributes::find(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return nullptr;
  found->second.read = true;
  return &found->second;
}

bool Attributes::has(std::string_view name) const { return entries_.find(name) != entries_.end(); }

std::int64_t Attributes::integer(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) refuse("attribute " + std::string(name) + " is missing");
  if (const auto* value = std::get_if<std::int64_t>(&entry->value)) return *value;
  refuse("attribute " + std::string(name) + " must be an integer");
}

std::int64_t Attributes::integer(std::string_view name, std::int64_t otherwise) const {
  return has(name) ? integer(name) : otherwise;
}

double Attributes::real(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) refuse("attribute " + std::string(name) + " is missing");
  if (const auto* value = std::get_if<double>(&entry->value)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&entry->value)) return static_cast<double>(*value);
  refuse("attribute " + std::string(name) + " must be a number");
}

double Attributes::real(std::string_view name, double otherwise) const { return has(name) ? real(name) : otherwise; }

std::string Attributes::text(std::string_view name, std::string_view otherwise) const {
  const Entry* entry = find(name);
  if (entry == nullptr) return std::string(otherwise);
  if (const auto* value = std::get_if<std::string>(&entry->value)) return *value;
  refuse("attribute " + std::string(name) + " must be a string");
}

std::vector<std::int64_t> Attributes::integers(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) refuse("attribute " + std::string(name) + " is missing");
  return list_of<std::vector<std::int64_t>>(entry->value, name, "a list of integers");
}

std::vector<double> Attributes::reals(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) return {};
  return list_of<std::vector<double>>(entry->value, name, "a list of numbers");
}

std::vector<std::string> Attributes::texts(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) refuse("attribute " + std::string(name) + " is missing");
  return list_of<std::vector<std::string>>(entry->value, name, "a list of strings");
}

void Attributes::require_all_read() const {
  for (const auto& [name, entry] : entries_)
    if (!entry.read) refuse("attribute " + name + " is not known to this kernel");
}

std::string Attributes::summary() const {
  std::ostringstream text;
  const char* separator = "";
  for (const auto& [name, entry] : entries_) {
    text << separator << name << '=';
    separator = ", ";
    std::visit(
        [&](const auto& value) {
          if constexpr (requires { value.begin(); } && !std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
            const char* comma = "[";
            for (const auto& item : value) text << comma << item, comma = ", ";
            text << (value.empty() ? "[]" : "]");
          } else {
            text << value;
          }
        },
        entry.value);
  }
  return text.str();
}

}  // namespace pellucid

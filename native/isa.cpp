#include "isa.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>
#include <stdexcept>

#include "kernel.hpp"

namespace pellucid {
namespace {

constinit const Registration* first_registration = nullptr;

struct Level {
  const char* name;
  bool (*supported)();
};

#if defined(__x86_64__)
// The features of the psABI levels x86-64-v3 and x86-64-v4 that the compiler may use.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
constexpr Level levels[] = {
    {"avx512_bf16", [] { return has_avx512() && __builtin_cpu_supports("avx512bf16") != 0; }},
    {"avx512", has_avx512},
    {"avx2", has_avx2},
    {"sse4", [] { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"); }},
};
#else
constexpr Level levels[] = {{"base", [] { return true; }}};
#endif

bool is_built(const char* name) {
  for (const Registration* r = first_registration; r != nullptr; r = r->next)
    if (std::strcmp(r->level, name) == 0) return true;
  return false;
}

const char* choose() {
  const char* wanted = std::getenv("PELLUCID_ISA");
  const std::vector<std::string> names = level_names();
  for (const Level& candidate : levels) {
    if (std::find(names.begin(), names.end(), candidate.name) == names.end()) continue;
    if (wanted == nullptr || *wanted == '\0' || std::strcmp(wanted, candidate.name) == 0) return candidate.name;
  }
  if (names.empty()) throw std::runtime_error("this build has no kernels that this processor can run");
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  throw std::invalid_argument("PELLUCID_ISA=" + std::string(wanted) + ": this processor and this build have " + list);
}

}  // namespace

std::vector<std::string> level_names() {
  std::vector<std::string> names;
  for (const Level& candidate : levels)
    if (candidate.supported() && is_built(candidate.name)) names.emplace_back(candidate.name);
  return names;
}

const char* level() {
  static const char* const chosen = choose();
  return chosen;
}

const char* bfloat16_unit() {
#if defined(__x86_64__)
  if (std::strcmp(level(), "avx512_bf16") == 0) {
    unsigned leaf = 7, subleaf = 0, b = 0, c = 0, d = 0;
    __asm__("cpuid" : "+a"(leaf), "=b"(b), "+c"(subleaf), "=d"(d));
    (void)b, (void)c;
    constexpr unsigned amx_bf16 = 1u << 22;
    return (d & amx_bf16) != 0 ? "amx" : "avx512_bf16";
  }
#endif
  return "emulated";
}

bool register_kernel(Registration& registration) {
  registration.next = first_registration;
  first_registration = &registration;
  return true;
}

const Registration& find_kernel(std::string_view name) {
  for (const Registration* r = first_registration; r != nullptr; r = r->next)
    if (name == r->name && std::strcmp(r->level, level()) == 0) return *r;
  refuse("unknown kernel \"" + std::string(name) + "\"");
}

std::vector<std::string> kernel_names() {
  std::set<std::string> names;
  for (const Registration* r = first_registration; r != nullptr; r = r->next)
    if (std::strcmp(r->level, level()) == 0) names.insert(r->name);
  return {names.begin(), names.end()};
}

}  // namespace pellucid

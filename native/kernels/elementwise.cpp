// `elementwise`: a short program of opcodes over numbered registers, run block by block in the first-level cache.
//
// A register is a block of float32 numbers, or of whole ones where an opcode `int32_…` reads or writes it. Where an
// operand or result is an array of just that type in the full shape, its register is the array itself and nothing is
// copied. Other operands are converted or broadcast into scratch: those
// that repeat (scalars, rows) once per run, into a buffer long enough that every block is one contiguous piece of it;
// the rest once per block. Results of another type are converted after each block.
#include <map>
#include <sstream>

#include "../threads.hpp"
#include "opcodes.hpp"
#include "reader.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

constexpr std::int64_t block = 1024;
constexpr std::int64_t longest_period = 4096;

std::int64_t padded(std::int64_t n) { return (n + lanes - 1) / lanes * lanes; }

// Where a register's numbers of the block at `begin` lie: at + begin % period.
struct Place {
  static constexpr std::int64_t whole = INT64_MAX;

  float* at = nullptr;
  std::int64_t period = 1;  // 1: a scratch block; whole: an array

  float* operator()(std::int64_t begin) const {
    if (period == 1) return at;
    return at + (period == whole ? begin : begin % period);
  }
};

struct Step {
  BlockLoop loop;
  Place y, sources[3];
};

struct Fetch {
  const Reader* reader;
  float* to;
  bool whole;

  void run(std::int64_t begin, std::int64_t n) const {
    if (whole)
      reader->read(reinterpret_cast<std::int32_t*>(to), begin, n);
    else
      reader->read(to, begin, n);
  }
};

struct Store {
  Place from;
  void* to;
  Dtype dtype;
  bool whole;

  void run(std::int64_t begin, std::int64_t n) const {
    if (whole)
      convert_all(reinterpret_cast<const std::int32_t*>(from(begin)), begin, n);
    else
      convert_all(from(begin), begin, n);
  }

 private:
  template <typename Source>
  void convert_all(const Source* x, std::int64_t begin, std::int64_t n) const {
    with_type(dtype, [&](auto type) {
      auto* y = static_cast<decltype(type)*>(to) + begin;
      for (std::int64_t i = 0; i < n; ++i) y[i] = convert<decltype(type)>(x[i]);
    });
  }
};

// The program with all places known.
struct Program {
  std::vector<Fetch> fetches;
  std::vector<Step> steps;
  std::vector<Store> stores;

  void run(std::int64_t begin, std::int64_t end) const {
    for (; begin < end; begin += block) {
      const std::int64_t n = std::min(block, end - begin);
      for (const Fetch& fetch : fetches) fetch.run(begin, n);
      for (const Step& step : steps)
        step.loop(step.y(begin), step.sources[0](begin), step.sources[1](begin), step.sources[2](begin), padded(n));
      for (const Store& s : stores) s.run(begin, n);
    }
  }
};

// The text of one step, with registers and immediates numbered in one list: registers first.
struct Parsed {
  const Opcode* opcode;
  int y;
  std::vector<int> sources;
};

class Elementwise final : public Kernel {
 public:
  Elementwise(const Attributes& attributes, Views inputs, Views outputs, int threads)
      : inputs_(inputs.begin(), inputs.end()), outputs_(outputs.begin(), outputs.end()), size_(outputs[0].size()) {
    parse(attributes);
    for (const View& input : inputs_) readers_.emplace_back(input, outputs_[0].shape);

    double nanoseconds = 0.05 * static_cast<double>(inputs_.size() + outputs_.size());
    for (const Parsed& step : parsed_) nanoseconds += step.opcode->nanoseconds;
    parts_ = threads_for(nanoseconds * static_cast<double>(size_) / 1000, threads);

    // Vectors may run over the end of an array only where the plan owns what follows: else the last numbers go
    // through scratch, in a program of their own.
    bool overrun = true;
    for (const View& view : inputs_) overrun = overrun && view.padded;
    for (const View& view : outputs_) overrun = overrun && view.padded;
    main_ = overrun ? size_ : size_ / lanes * lanes;

    fill_repeating();
    for (int part = 0; part < parts_; ++part) programs_.push_back(resolve(false));
    if (main_ < size_) tail_ = resolve(true);
  }

  void run() override {
    for (const Repeating& r : repeating_) r.run();
    parallel(parts_, [&](int part) {
      const Range range = share(main_, part, parts_, block);
      programs_[part].run(range.begin, range.end);
    });
    tail_.run(main_, size_);
  }

 private:
  struct Repeating {
    Fetch fetch;
    std::int64_t period, length;

    void run() const {  // once, then copies that double
      fetch.run(0, std::min(period, length));
      for (std::int64_t n = period; n < length; n *= 2)
        std::memcpy(fetch.to + n, fetch.to, static_cast<std::size_t>(std::min(n, length - n)) * sizeof(float));
    }
  };

  void parse(const Attributes& attributes) {
    immediates_ = attributes.reals("immediates");
    std::vector<bool> written(inputs_.size(), true);
    std::map<int, bool> whole;  // of registers, and of immediate i under -1-i, once it is known
    const auto settle = [&](int r, bool is_whole, const std::string& text) {
      if (!whole.emplace(r, is_whole).second && whole[r] != is_whole)
        refuse("step \"" + text + "\" mixes float32 and whole numbers in one register");
    };
    const auto source = [&](const std::string& word) {
      const bool immediate = !word.empty() && word[0] == 'i';
      const int number = number_of(word.substr(immediate ? 1 : 0));
      if (immediate) {
        if (number >= static_cast<int>(immediates_.size())) refuse("there is no immediate \"" + word + "\"");
        return -1 - number;  // numbered below, after the registers
      }
      if (number >= static_cast<int>(written.size()) || !written[number])
        refuse("register " + word + " is read before it is written");
      return number;
    };
    for (const std::string& text : attributes.texts("steps")) {
      std::istringstream words(text);
      std::string name, y, word;
      words >> name >> y;
      Parsed step{nullptr, number_of(y), {}};
      for (const Opcode& opcode : opcodes)
        if (name == opcode.name) step.opcode = &opcode;
      if (step.opcode == nullptr) refuse("unknown opcode in step \"" + text + "\"");
      while (words >> word) step.sources.push_back(source(word));
      if (static_cast<int>(step.sources.size()) != step.opcode->sources)
        refuse("step \"" + text + "\" needs " + std::to_string(step.opcode->sources) + " sources");
      if (step.y >= static_cast<int>(written.size())) written.resize(step.y + 1);
      if (written[step.y]) refuse("step \"" + text + "\" writes a register that is already written");
      written[step.y] = true;
      for (std::size_t s = 0; s < step.sources.size(); ++s) settle(step.sources[s], step.opcode->whole_source(s), text);
      settle(step.y, step.opcode->whole_result(), text);
      parsed_.push_back(step);
    }
    registers_ = static_cast<int>(written.size());
    for (const std::int64_t r : attributes.integers("outputs")) {
      if (r < 0 || r >= registers_ || !written[r]) refuse("output register " + std::to_string(r) + " is not written");
      output_registers_.push_back(static_cast<int>(r));
    }
    if (output_registers_.size() != outputs_.size()) refuse("as many output registers as outputs are needed");
    // Every result gets a register of its own, which is no operand: nothing is read after the steps but scratch.
    for (std::size_t o = 0; o < outputs_.size(); ++o) {
      int& r = output_registers_[o];
      const bool taken =
          std::find(output_registers_.begin(), output_registers_.begin() + o, r) != output_registers_.begin() + o;
      if (r < static_cast<int>(inputs_.size()) || taken) {
        parsed_.push_back({&opcodes[0], registers_, {r}});
        whole[registers_] = whole[r];
        r = registers_++;
      }
    }
    for (Parsed& step : parsed_)
      for (int& r : step.sources)
        if (r < 0) r = registers_ + (-1 - r);
    for (int r = 0; r < registers_; ++r) whole_.push_back(whole[r]);
    for (int i = 0; i < static_cast<int>(immediates_.size()); ++i) whole_.push_back(whole[-1 - i]);
  }

  static std::int32_t whole_number(double value) {  // uint32 too: what counts are the bits
    if (!(value >= INT32_MIN && value <= UINT32_MAX)) refuse("an immediate does not fit into 32 bits");
    return static_cast<std::int32_t>(static_cast<std::int64_t>(value));
  }

  static int number_of(const std::string& word) {
    if (word.empty() || word.size() > 6 || word.find_first_not_of("0123456789") != std::string::npos)
      refuse("\"" + word + "\" is not a register");
    return std::stoi(word);
  }

  float* scratch(std::int64_t n) {
    return scratch_.emplace_back(static_cast<std::size_t>(padded(std::max(n, lanes)) / lanes)).data()->numbers;
  }

  // Immediates, and operands that repeat after so few numbers that a whole block and one period fit the cache.
  void fill_repeating() {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      Place place;
      const std::int64_t period = readers_[i].period();
      if (!readers_[i].dense() && (size_ <= block || (period > 0 && period <= longest_period))) {
        place.period = period == 1 ? 1 : size_ <= block ? Place::whole : period;
        const std::int64_t length = size_ <= block ? size_ : block + period;
        place.at = scratch(length + lanes);
        const std::int64_t once = period <= 1 ? length : period;  // scalars, and what does not repeat
        repeating_.push_back({{&readers_[i], place.at, whole_[i]}, once, length});
      }
      fixed_.push_back(place);
    }
    for (std::size_t i = 0; i < immediates_.size(); ++i) {
      const std::int64_t n = padded(std::min(size_, block));
      float* const at = scratch(n);
      if (whole_[registers_ + i])
        std::fill_n(reinterpret_cast<std::int32_t*>(at), n, whole_number(immediates_[i]));
      else
        std::fill_n(at, n, static_cast<float>(immediates_[i]));
      immediate_places_.push_back({at, 1});
    }
  }

  // Whether register r may be computed straight into the array `output`: no operand that shares the memory is still
  // read after `step`.
  bool may_write(const View& output, std::size_t step) const {
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (inputs_[i].data == output.data && last_use(static_cast<int>(i)) > step) return false;
    return true;
  }

  // The last step that reads a register; results are read after all steps.
  std::size_t last_use(int r) const {
    if (std::find(output_registers_.begin(), output_registers_.end(), r) != output_registers_.end())
      return parsed_.size();
    std::size_t last = 0;
    for (std::size_t i = 0; i < parsed_.size(); ++i)
      if (std::find(parsed_[i].sources.begin(), parsed_[i].sources.end(), r) != parsed_[i].sources.end()) last = i;
    return last;
  }

  Program resolve(bool tail) {
    Program program;
    std::vector<Place> places(static_cast<std::size_t>(registers_));
    const std::int64_t n = tail ? lanes : std::min(size_, block);
    const auto direct = [&](const View& view, int r) {
      return view.dtype == (whole_[r] ? Dtype::int32 : Dtype::float32) && (!tail || view.padded);
    };

    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (readers_[i].dense() && direct(inputs_[i], static_cast<int>(i))) {
        places[i] = {inputs_[i].as<float>(), Place::whole};
      } else if (fixed_[i].at != nullptr) {
        places[i] = fixed_[i];
      } else {
        places[i] = {scratch(n + lanes), 1};
        program.fetches.push_back({&readers_[i], places[i].at, whole_[i]});
      }
    }
    places.insert(places.end(), immediate_places_.begin(), immediate_places_.end());

    std::vector<bool> stored(outputs_.size(), true);
    std::vector<float*> idle;  // scratch blocks whose register is not read any more
    for (std::size_t i = 0; i < parsed_.size(); ++i) {
      const Parsed& step = parsed_[i];
      Place& y = places[step.y];
      for (std::size_t o = 0; o < outputs_.size() && y.at == nullptr; ++o)
        if (output_registers_[o] == step.y && direct(outputs_[o], step.y) && may_write(outputs_[o], i)) {
          y = {outputs_[o].as<float>(), Place::whole};
          stored[o] = false;
        }
      std::vector<int> read = step.sources;
      std::sort(read.begin(), read.end());
      read.erase(std::unique(read.begin(), read.end()), read.end());
      for (const int r : read)  // a result may overwrite a source that is read for the last time
        if (r >= static_cast<int>(inputs_.size()) && r < registers_ && places[r].period == 1 && last_use(r) == i)
          idle.push_back(places[r].at);
      if (y.at == nullptr && idle.empty()) y = {scratch(n), 1};
      if (y.at == nullptr) y = {idle.back(), 1}, idle.pop_back();
      Step& resolved = program.steps.emplace_back(Step{step.opcode->loop, y, {}});
      for (std::size_t s = 0; s < step.sources.size(); ++s) resolved.sources[s] = places[step.sources[s]];
    }
    for (std::size_t o = 0; o < outputs_.size(); ++o)
      if (stored[o]) {
        const int r = output_registers_[o];
        program.stores.push_back({places[r], outputs_[o].data, outputs_[o].dtype, whole_[r]});
      }
    return program;
  }

  struct alignas(vector_bytes) Line {
    float numbers[lanes];
  };

  std::vector<View> inputs_, outputs_;
  std::int64_t size_, main_ = 0;
  int parts_ = 1;
  std::vector<double> immediates_;
  std::vector<Parsed> parsed_;
  int registers_ = 0;
  std::vector<bool> whole_;  // of registers, then of immediates: whether it holds whole numbers
  std::vector<int> output_registers_;
  std::vector<Reader> readers_;
  std::vector<std::vector<Line>> scratch_;
  std::vector<Repeating> repeating_;
  std::vector<Place> fixed_, immediate_places_;
  std::vector<Program> programs_;  // one per part
  Program tail_;
};

std::unique_ptr<Kernel> make_elementwise(const Attributes& attributes, Views inputs, Views outputs,
                                         const Context& context) {
  require(!outputs.empty(), "elementwise needs an output");
  for (const View& input : inputs) require(static_cast<bool>(input), "elementwise has no optional operands");
  for (const View& output : outputs) require(output.shape == outputs[0].shape, "all outputs have one shape");
  auto kernel = std::make_unique<Elementwise>(attributes, inputs, outputs, context.threads);
  if (outputs[0].size() == 0) return nullptr;
  return kernel;
}

}  // namespace
REGISTER_IN_PLACE_KERNEL("elementwise", make_elementwise)
}  // namespace pellucid::PELLUCID_LEVEL

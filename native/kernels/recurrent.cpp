// The recurrent cells over sequences (kernels `lstm`, `gru`, `simple_rnn` and their gradients): reads operands and
// checks their shapes. What the kernels do stands in recurrent_*.hpp.
#include "recurrent_gru.hpp"
#include "recurrent_lstm.hpp"
#include "recurrent_simple.hpp"

namespace pellucid::PELLUCID_LEVEL {
namespace {

Bend bend_attribute(const std::string& kernel, const Attributes& attributes, const char* name, const char* otherwise) {
  return bend_of(kernel, attributes.text(name, otherwise));
}

// The sizes, from u [units, gates·units] and something over time.
Sequence sequence_of(const std::string& kernel, const Attributes& attributes, const View& u, const View& over_time,
                     std::int64_t gates) {
  if (!u || !over_time || !is_float(u) || u.rank() != 2 || over_time.rank() != 3 || u.shape[1] != gates * u.shape[0] ||
      u.shape[0] < 1 || over_time.shape[1] < 1)
    refuse(kernel + " takes u [units, gates*units] and sequences [batch, steps, ...]");
  Sequence sequence;
  sequence.batch = over_time.shape[0];
  sequence.steps = over_time.shape[1];
  sequence.units = u.shape[0];
  sequence.reverse = attributes.integer("reverse", 0) != 0;
  return sequence;
}

void need_present(const std::string& kernel, Views views, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    if (!views[i]) refuse(kernel + ": operand " + std::to_string(i) + " is absent");
}

// What a gradient takes last: mask and dropout, then the derivatives of the forward kernel's outputs, of these shapes,
// those that `given` tells of. Absent ones are empty.
std::vector<Rows> read_derivatives(const std::string& kernel, const Attributes& attributes, Sequence& sequence,
                                   Views inputs, std::size_t next, const std::vector<Shape>& shapes) {
  const std::vector<std::int64_t> given = attributes.integers("given");
  if (given.size() != shapes.size())
    refuse(kernel + ": `given` tells of " + std::to_string(shapes.size()) + " derivatives");
  read_optional(kernel, sequence, inputs, next, static_cast<std::size_t>(std::ranges::count(given, 1)));
  std::vector<Rows> derivatives(shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i)
    if (given[i] == 1) derivatives[i] = Rows(kernel, inputs[next++], shapes[i]);
  return derivatives;
}

LstmCell lstm_cell(const std::string& kernel, const Attributes& attributes) {
  return {bend_attribute(kernel, attributes, "activation", "tanh"),
          bend_attribute(kernel, attributes, "recurrent_activation", "sigmoid")};
}

std::unique_ptr<Kernel> make_lstm(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  const std::string name = "lstm";
  require(inputs.size() >= 4 && outputs.size() == 5, "lstm takes z, u, h and c, and gives h, c, gates, last h and c");
  need_present(name, inputs, 4);
  Sequence s = sequence_of(name, attributes, inputs[1], inputs[0], 4);
  const Shape state{s.batch, s.units}, over_time{s.batch, s.steps, s.units}, wide{s.batch, s.steps, 4 * s.units};
  std::size_t next = 4;
  read_optional(name, s, inputs, next, 0);
  Lstm::Operands at;
  at.u = {inputs[1].data, inputs[1].dtype, 4 * s.units, 1};
  at.z = Rows(name, inputs[0], wide);
  at.first_h = Rows(name, inputs[2], state);
  at.first_c = Rows(name, inputs[3], state);
  at.h = Rows(name, outputs[0], over_time);
  at.c = Rows(name, outputs[1], over_time);
  at.gates = Rows(name, outputs[2], wide);
  at.last_h = Rows(name, outputs[3], state);
  at.last_c = Rows(name, outputs[4], state);
  const LstmCell cell = lstm_cell(name, attributes);
  if (s.batch == 0) return nullptr;
  return std::make_unique<Lstm>(s, cell, at, context.threads);
}

std::unique_ptr<Kernel> make_lstm_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                           const Context& context) {
  const std::string name = "lstm_gradient";
  require(inputs.size() >= 6 && outputs.size() == 4,
          "lstm_gradient takes u, h, c and lstm's h, c and gates, and gives dz, dh, dc and met");
  need_present(name, inputs, 6);
  Sequence s = sequence_of(name, attributes, inputs[0], inputs[5], 4);
  const Shape state{s.batch, s.units}, over_time{s.batch, s.steps, s.units}, wide{s.batch, s.steps, 4 * s.units};
  const std::vector<Rows> derivatives =
      read_derivatives(name, attributes, s, inputs, 6, {over_time, over_time, wide, state, state});
  LstmGradient::Operands at;
  at.u = {inputs[0].data, inputs[0].dtype, 1, 4 * s.units};
  at.first_h = Rows(name, inputs[1], state);
  at.first_c = Rows(name, inputs[2], state);
  at.h = Rows(name, inputs[3], over_time);
  at.c = Rows(name, inputs[4], over_time);
  at.gates = Rows(name, inputs[5], wide);
  at.dh = derivatives[0];
  at.dc = derivatives[1];
  at.dgates = derivatives[2];
  at.dh_last = derivatives[3];
  at.dc_last = derivatives[4];
  at.dz = Rows(name, outputs[0], wide);
  at.dh_first = Rows(name, outputs[1], state);
  at.dc_first = Rows(name, outputs[2], state);
  at.met = Rows(name, outputs[3], over_time);
  const LstmCell cell = lstm_cell(name, attributes);
  if (s.batch == 0) return nullptr;
  return std::make_unique<LstmGradient>(s, cell, at, context.threads);
}

GruCell gru_cell(const std::string& kernel, const Attributes& attributes) {
  return {bend_attribute(kernel, attributes, "activation", "tanh"),
          bend_attribute(kernel, attributes, "recurrent_activation", "sigmoid"),
          attributes.integer("reset_after", 1) != 0};
}

std::unique_ptr<Kernel> make_gru(const Attributes& attributes, Views inputs, Views outputs, const Context& context) {
  const std::string name = "gru";
  require(inputs.size() >= 4 && outputs.size() == 3, "gru takes z, u, b and h, and gives h, gates and the last h");
  need_present(name, inputs, 4);
  Sequence s = sequence_of(name, attributes, inputs[1], inputs[0], 3);
  const Shape state{s.batch, s.units}, over_time{s.batch, s.steps, s.units};
  require(inputs[2].dtype == Dtype::float32 && inputs[2].shape == Shape{3 * s.units}, "gru: b is float32 [3*units]");
  std::size_t next = 4;
  read_optional(name, s, inputs, next, 0);
  Gru::Operands at;
  at.u = {inputs[1].data, inputs[1].dtype, 3 * s.units, 1};
  at.z = Rows(name, inputs[0], {s.batch, s.steps, 3 * s.units});
  at.bias = inputs[2].as<float>();
  at.first_h = Rows(name, inputs[3], state);
  at.h = Rows(name, outputs[0], over_time);
  at.gates = Rows(name, outputs[1], {s.batch, s.steps, 4 * s.units});
  at.last_h = Rows(name, outputs[2], state);
  const GruCell cell = gru_cell(name, attributes);
  if (s.batch == 0) return nullptr;
  return std::make_unique<Gru>(s, cell, at, context.threads);
}

std::unique_ptr<Kernel> make_gru_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                          const Context& context) {
  const std::string name = "gru_gradient";
  require(inputs.size() >= 4 && outputs.size() == 4,
          "gru_gradient takes u, h and gru's h and gates, and gives dz, dsums, dh and met");
  need_present(name, inputs, 4);
  Sequence s = sequence_of(name, attributes, inputs[0], inputs[3], 3);
  const Shape state{s.batch, s.units}, over_time{s.batch, s.steps, s.units};
  const Shape wide{s.batch, s.steps, 3 * s.units}, all_gates{s.batch, s.steps, 4 * s.units};
  const std::vector<Rows> derivatives = read_derivatives(name, attributes, s, inputs, 4, {over_time, all_gates, state});
  GruGradient::Operands at;
  at.u = {inputs[0].data, inputs[0].dtype, 1, 3 * s.units};
  at.first_h = Rows(name, inputs[1], state);
  at.h = Rows(name, inputs[2], over_time);
  at.gates = Rows(name, inputs[3], all_gates);
  at.dh = derivatives[0];
  at.dgates = derivatives[1];
  at.dh_last = derivatives[2];
  at.dz = Rows(name, outputs[0], wide);
  at.dsums = Rows(name, outputs[1], wide);
  at.dh_first = Rows(name, outputs[2], state);
  at.met = Rows(name, outputs[3], over_time);
  const GruCell cell = gru_cell(name, attributes);
  if (s.batch == 0) return nullptr;
  return std::make_unique<GruGradient>(s, cell, at, context.threads);
}

std::unique_ptr<Kernel> make_simple_rnn(const Attributes& attributes, Views inputs, Views outputs,
                                        const Context& context) {
  const std::string name = "simple_rnn";
  require(inputs.size() >= 3 && outputs.size() == 2, "simple_rnn takes z, u and h, and gives h and the last h");
  need_present(name, inputs, 3);
  Sequence s = sequence_of(name, attributes, inputs[1], inputs[0], 1);
  const Shape state{s.batch, s.units}, over_time{s.batch, s.steps, s.units};
  std::size_t next = 3;
  read_optional(name, s, inputs, next, 0);
  SimpleRnn::Operands at;
  at.u = {inputs[1].data, inputs[1].dtype, s.units, 1};
  at.z = Rows(name, inputs[0], over_time);
  at.first_h = Rows(name, inputs[2], state);
  at.h = Rows(name, outputs[0], over_time);
  at.last_h = Rows(name, outputs[1], state);
  const Bend activation = bend_attribute(name, attributes, "activation", "tanh");
  if (s.batch == 0) return nullptr;
  return std::make_unique<SimpleRnn>(s, activation, at, context.threads);
}

std::unique_ptr<Kernel> make_simple_rnn_gradient(const Attributes& attributes, Views inputs, Views outputs,
                                                 const Context& context) {
  const std::string name = "simple_rnn_gradient";
  require(inputs.size() >= 3 && outputs.size() == 3,
          "simple_rnn_gradient takes u, h and simple_rnn's h, and gives dz, dh and met");
  need_present(name, inputs, 3);
  Sequence s = sequence_of(name, attributes, inputs[0], inputs[2], 1);
  const Shape state{s.batch, s.units}, over_time{s.batch, s.steps, s.units};
  const std::vector<Rows> derivatives = read_derivatives(name, attributes, s, inputs, 3, {over_time, state});
  SimpleRnnGradient::Operands at;
  at.u = {inputs[0].data, inputs[0].dtype, 1, s.units};
  at.first_h = Rows(name, inputs[1], state);
  at.h = Rows(name, inputs[2], over_time);
  at.dh = derivatives[0];
  at.dh_last = derivatives[1];
  at.dz = Rows(name, outputs[0], over_time);
  at.dh_first = Rows(name, outputs[1], state);
  at.met = Rows(name, outputs[2], over_time);
  const Bend activation = bend_attribute(name, attributes, "activation", "tanh");
  if (s.batch == 0) return nullptr;
  return std::make_unique<SimpleRnnGradient>(s, activation, at, context.threads);
}

}  // namespace
REGISTER_SPARING_KERNEL("gru", make_gru)
REGISTER_SPARING_KERNEL("gru_gradient", make_gru_gradient)
// In place: gates over z, dz over gates, met over h. A step reads all of its own numbers before it writes, no thread
// meets another's examples, and u, which all threads read, has no output's shape.
PELLUCID_REGISTER("lstm", make_lstm, true, true)
PELLUCID_REGISTER("lstm_gradient", make_lstm_gradient, true, true)
REGISTER_SPARING_KERNEL("simple_rnn", make_simple_rnn)
REGISTER_SPARING_KERNEL("simple_rnn_gradient", make_simple_rnn_gradient)
}  // namespace pellucid::PELLUCID_LEVEL

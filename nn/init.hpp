#pragma once

#include <xtape/autograd/random.hpp>
#include <xtape/autograd/variable.hpp>

/// Starting values. Each fills a parameter with new values of its shape and dtype from an explicit generator:
/// `nn::init::kaiming_normal(net.conv1.weight, generator);`
namespace xtape::nn::init {

/// How many numbers feed one output (in) and are fed by one input (out).
struct Fans {
    double in;
    double out;
};

/// Of a weight (in, out) of Linear, or (out, in / groups, rows, columns) of Conv2d. Throws ShapeError for other ranks.
Fans fans(const Shape& weight, Where where = Where::here());

/// Which of the two a Kaiming initialisation keeps level: `in` the forward pass, `out` the backward pass.
enum class Fan { in, out };

void zeros(Parameter& parameter);
void ones(Parameter& parameter);
void constant(Parameter& parameter, double value);

/// Uniform in [low, high). Throws ValueError unless low <= high.
void uniform(Parameter& parameter, double low, double high, Generator& generator);
/// Normal. Throws ValueError unless deviation >= 0.
void normal(Parameter& parameter, double mean, double deviation, Generator& generator);

/// Uniform in +-gain sqrt(6 / (in + out)) (Glorot and Bengio, AISTATS 2010).
void xavier_uniform(Parameter& weight, Generator& generator, double gain = 1, Where where = Where::here());
/// Normal with deviation gain sqrt(2 / (in + out)).
void xavier_normal(Parameter& weight, Generator& generator, double gain = 1, Where where = Where::here());

/// Uniform in +-sqrt(6 / ((1 + slope^2) fan)), for leaky_relu of that slope, 0 being relu (He et al.,
/// arXiv:1502.01852).
void kaiming_uniform(Parameter& weight, Generator& generator, double slope = 0, Fan fan = Fan::in,
                     Where where = Where::here());
/// Normal with deviation sqrt(2 / ((1 + slope^2) fan)).
void kaiming_normal(Parameter& weight, Generator& generator, double slope = 0, Fan fan = Fan::in,
                    Where where = Where::here());

/// `gain` times a random matrix with orthonormal rows or columns, whichever are fewer (Saxe, McClelland and Ganguli,
/// arXiv:1312.6120); all axes but the first count as columns. Throws ShapeError below two axes.
void orthogonal(Parameter& weight, Generator& generator, double gain = 1, Where where = Where::here());

/// What layers start from: a float32 parameter uniform in +-1/sqrt(fan_in), which is PyTorch's default (there called
/// kaiming_uniform with slope sqrt(5)).
Parameter layer_default(const Shape& shape, double fan_in, Generator& generator);

}  // namespace xtape::nn::init

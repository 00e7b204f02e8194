#pragma once

#include <xtape/autograd/variable.hpp>

/// Operations that only the rules of others use: a gradient times a derivative in one pass, in the gradient's own buffer
/// where nobody else needs it. They have rules themselves, so that rules that use them can be differentiated again. All
/// operands have the gradient's shape and dtype, unless said otherwise.
namespace xtape {

/// factor a b.
Variable scaled_product(Variable a, Variable b, double factor);
/// factor a b c.
Variable scaled_product(Variable a, Variable b, Variable c, double factor);

/// -a b / divisor; the divisor may broadcast.
Variable negative_quotient(Variable a, Variable b, Variable divisor);

/// g where y > 0, else slope g: exactly 0 when the slope is. Seen as constant in y.
Variable gate(Variable g, const Variable& y, double slope = 0);

/// factor g s (1 - s): g times the derivative of a sigmoid whose value is s, or of its complement with factor -1.
Variable sigmoid_slope(Variable g, Variable s, double factor = 1);

/// g (sigmoid(z) - y): g times the derivative of sigmoid_cross_entropy(z, y) in z.
Variable sigmoid_cross_entropy_slope(Variable g, Variable z, Variable y);

/// g (a - b), with a - b limited to [-delta, delta]: g times the derivative of huber_loss(a, b, delta) in a.
Variable huber_slope(Variable g, Variable a, Variable b, double delta);

/// g (1 - y^2): g times the derivative of tanh where its value is y.
Variable tanh_slope(Variable g, Variable y);

/// g where x > 0, else g (y + alpha): g times the derivative of elu where its value is y. Seen as constant in x.
Variable elu_slope(Variable g, const Variable& x, Variable y, double alpha);

}  // namespace xtape

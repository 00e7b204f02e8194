#include <xtape/nn/adversarial.hpp>

#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/tape.hpp>

namespace xtape::nn {

Variable gradient_norms(const Critic& critic, const Variable& samples, Where where) {
    if (!critic) throw ValueError("gradient_norms: there is no critic", where);
    if (!samples) throw ValueError("gradient_norms: the samples have no value", where);
    if (samples.rank() == 0) throw ShapeError("gradient_norms: needs samples along axis 0: ()", where);
    const Parameter x(samples);
    const Variable scores = critic(x);
    if (!scores) throw ValueError("gradient_norms: the critic's scores have no value", where);
    const Index count = samples.shape(0);
    if (scores.rank() == 0 || scores.shape(0) != count || scores.size() != count)
        throw ShapeError(fmt::format("gradient_norms: needs one score for each sample: samples {}, scores {}",
                                     to_string(samples.shape()), to_string(scores.shape())),
                         where);
    if (!scores.requires_grad())
        throw TapeError("gradient_norms: the critic's scores are constants; does a NoGrad live?", where);
    const EnableGrad as_the_critic;  // which may record within the caller's NoGrad
    const Variable slopes = grad(Operand(sum(scores, {}, false, where), where), x, create_graph);
    return norm(reshape(slopes, {count, count > 0 ? samples.size() / count : 0}, where), 1, false, where);
}

Variable gradient_penalty(const Critic& critic, const Variable& real, const Variable& fake, Generator& generator,
                          Where where) {
    if (!real) throw ValueError("gradient_penalty: the real samples have no value", where);
    if (!fake) throw ValueError("gradient_penalty: the fake samples have no value", where);
    if (real.shape() != fake.shape())
        throw ShapeError(fmt::format("gradient_penalty: shapes differ: real {}, fake {}", to_string(real.shape()),
                                     to_string(fake.shape())),
                         where);
    if (real.rank() == 0) throw ShapeError("gradient_penalty: needs samples along axis 0: ()", where);
    Shape one_each = Shape::filled(real.rank(), 1);
    one_each[0] = real.shape(0);
    const Variable e(random::uniform(one_each, 0, 1, generator, real.dtype()));
    const Variable from = fake.detach();
    const Variable between = Operand(from, where) + e * (Operand(real.detach(), where) - from);
    return mean(square(Operand(gradient_norms(critic, between, where), where) - 1, where), {}, false, where);
}

}  // namespace xtape::nn

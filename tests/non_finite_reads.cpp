#include "catalogue.hpp"

#include <memory>
#include <set>
#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/reads.hpp>

/// Which elements of an argument an output element comes from, held against the rules of all operations: the gradient of
/// one output element is zero elsewhere.
using namespace xtape;

namespace {

struct Seen {
    bool outside = false;    ///< a gradient that is not zero outside of the part
    bool one_to_one = true;  ///< none but at the output's own element, or what is broadcast to it
    bool any = false;
};

bool within(const detail::Part& part, Index element) {
    const Index steps = (element - part.first) / part.step;
    return element >= part.first && steps < part.count && part.first + steps * part.step == element;
}

/// Asks for the gradient of each of some output elements.
Seen look(Node& node, std::size_t p) {
    Seen seen;
    const Shape argument = detail::value_of_argument(node, p).shape();
    const std::unique_ptr<bool[]> wanted(new bool[node.arity()]());
    wanted[p] = true;
    std::vector<Variable> gradients(node.arity());
    const Index count = node.shape.count();
    for (Index element = 0; element < count; element += 1 + count / 40) {
        Array seed = Array::filled(node.shape, node.dtype, 0);
        dispatch(node.dtype, [&](auto tag) { seed.mutable_data<decltype(tag)>()[element] = 1; });
        node.pull(Variable(seed), wanted.get(), gradients.data());
        const detail::Part part = detail::part_read(node, p, argument, element);
        for (Index i = 0; i < argument.count(); ++i) {
            if (gradients[p].array().at(i) == 0) continue;
            seen.any = true;
            seen.outside |= !within(part, i);
            seen.one_to_one &= argument == node.shape && i == element;
        }
    }
    return seen;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(non_finite_reads)

BOOST_AUTO_TEST_CASE(parts_hold_all_that_was_read) {
    std::set<std::string> known, mixing, missing;
    for (const auto& family :
         {catalogue::elementwise, catalogue::arithmetic, catalogue::reductions, catalogue::movement,
          catalogue::linear_algebra, catalogue::indexing, catalogue::normalization, catalogue::windows})
        for (const catalogue::Sample& sample : family()) {
            if (sample.large) continue;
            const KeepOutputs looking;
            std::vector<Parameter> parameters;
            std::vector<Variable> xs;
            for (const Variable& x : sample.inputs) xs.push_back(parameters.emplace_back(x.array()));
            const Variable y = sample.call(xs);
            if (!y.requires_grad()) continue;
            const NoGrad constant;
            const Tape tape(y);
            for (Node* node : tape.nodes())
                for (std::size_t p = 0; p < node->arity(); ++p) {
                    if (!node->arguments()[p].node() || node->shape.count() < 2) continue;
                    const Seen seen = look(*node, p);
                    BOOST_TEST(!seen.outside, sample.name() << ": argument " << p + 1 << " of " << node->name);
                    if (detail::is_elementwise(*node))
                        known.insert(node->name);
                    else if (seen.any)
                        (seen.one_to_one ? missing : mixing).insert(node->name);
                }
        }
    BOOST_TEST(known.size() > 30U);
    std::string text;
    for (const std::string& name : missing)
        if (mixing.count(name) == 0) text += name + " ";
    BOOST_TEST(text == "");
}

BOOST_AUTO_TEST_SUITE_END()

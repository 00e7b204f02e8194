#include "support/nn.hpp"

using namespace xtape;
using namespace xtape::nn_test;

/// Hooks on what ctc is given see its whole gradient, once, whether the walk is recorded or not.
BOOST_AUTO_TEST_SUITE(nn_ctc_hooks)

namespace {

/// The prediction has another use beside the loss.
Variable loss_of(const Variable& x) {
    return nn::ctc(x, IntArray{{1, 1, 2}, {3, 2, 0}, {2, 3, 3}}, {6, 5, 6}, {3, 2, 3}, 0, nn::Reduction::sum) +
           sum(square(x));
}

}  // namespace

BOOST_AUTO_TEST_CASE(called_once) {
    const Parameter z(wave({6, 3, 4}, 1));
    const Variable x = log_softmax(z, 2);
    int calls = 0;
    Variable seen;
    x.register_hook([&](const Variable& g) {
        ++calls;
        seen = g;
        return Variable();
    });
    const Variable loss = loss_of(x);
    grad(loss, z, create_graph);
    BOOST_TEST(calls == 1);
    const std::vector<double> recorded = values(seen.array());
    grad(loss, z);
    BOOST_TEST(calls == 2);
    check_close(seen, {6, 3, 4}, recorded, 1e-12);
}

BOOST_AUTO_TEST_CASE(replaces_once) {
    const Parameter z(wave({6, 3, 4}, 1));
    const std::vector<double> plain = values((grad(loss_of(log_softmax(z, 2)), z) * 2.0).array());
    const Variable x = log_softmax(z, 2);
    x.register_hook([](const Variable& g) { return 2.0 * g; });
    const Variable recorded = grad(loss_of(x), z, create_graph);
    check_close(recorded, {6, 3, 4}, plain, 1e-12);
    BOOST_TEST(recorded.requires_grad());
    // the walk back over that passes x once more, and all of it does
    const Variable second = grad(sum(square(recorded)), z);
    const Variable again = grad(loss_of(log_softmax(z, 2)), z, create_graph);
    check_close(second, {6, 3, 4}, values((2.0 * grad(sum(square(2.0 * again)), z)).array()), 1e-10);
}

BOOST_AUTO_TEST_SUITE_END()

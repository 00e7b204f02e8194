#include <xtape/xtape.hpp>

#include <stdexcept>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

/// Whoever looks on is told of every operation and of every step back.
using namespace xtape;

namespace {

using Names = std::vector<std::string>;

class Listener : public Observer {
public:
    void recorded(Node& node, const Array& y) override {
        operations.push_back(node.name);
        sizes.push_back(y.size());
    }
    void pulling(const Node& node, const Variable& g) override {
        BOOST_TEST(g.shape() == node.shape);
        asked.push_back(node.name);
    }
    void pulled(const Node& node, const bool* wanted, const Variable* gradients) override {
        for (std::size_t p = 0; p < node.arity(); ++p)
            if (wanted[p]) answered.push_back(std::string(node.name) + to_string(gradients[p].shape()));
    }

    Names operations, asked, answered;
    std::vector<Index> sizes;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(observer)

BOOST_AUTO_TEST_CASE(hears_what_is_recorded_and_walked) {
    const Parameter x = Array::filled({2, 3}, float32, 2);
    Listener outside;
    {
        Listener listener;
        const Variable constant(Array::filled({3}, float32, 1));
        const Variable unrecorded = exp(constant);
        const Variable y = sum(softmax(x * unrecorded));
        BOOST_TEST(listener.operations == (Names{"multiply", "softmax", "sum"}), boost::test_tools::per_element());
        BOOST_TEST(listener.sizes == (std::vector<Index>{6, 6, 1}), boost::test_tools::per_element());
        y.backward();
        BOOST_TEST(listener.asked == (Names{"sum", "softmax", "multiply"}), boost::test_tools::per_element());
        BOOST_TEST(listener.answered == (Names{"sum(2, 3)", "softmax(2, 3)", "multiply(2, 3)"}),
                   boost::test_tools::per_element());
        BOOST_TEST(Observer::current() == &listener);
    }
    BOOST_TEST(outside.operations == (Names{"multiply", "softmax", "sum"}), boost::test_tools::per_element());
    BOOST_TEST(outside.asked.size() == 3U);
    BOOST_TEST(Observer::current() == &outside);
}

BOOST_AUTO_TEST_CASE(hears_lists_and_joint_operations) {
    const Parameter x = Array::filled({4, 3}, float32, 2), w = Array::filled({3}, float32, 1);
    const Listener listener;
    const Variable y = concatenate({x, layer_norm(x, {3}, w, w)});
    BOOST_TEST(y.shape(0) == 8);
    BOOST_TEST(listener.operations == (Names{"layer_norm", "concatenate"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(may_object) {
    struct Objector : Observer {
        void recorded(Node& node, const Array&) override {
            if (node.name == std::string("log")) throw std::runtime_error("no logarithms");
        }
    };
    const Parameter x = Array::filled({2}, float32, 2);
    const Objector objector;
    const Variable y = square(x);
    BOOST_CHECK_THROW(log(y), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()

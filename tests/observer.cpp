#include <xtape/xtape.hpp>

#include <memory>
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

BOOST_AUTO_TEST_CASE(hears_of_walks_and_their_results) {
    struct Walks : Observer {
        void walking(const Tape& tape, const Variable& seed) override {
            heard.push_back("walk " + std::string(tape.nodes().back()->name) + to_string(seed.shape()));
            under_way = &tape;
        }
        void walked(const Tape& tape) noexcept override {
            BOOST_TEST(under_way == &tape);
            heard.push_back("end");
        }
        void went_around(const Node& node, const Variable& g) override {
            heard.push_back(std::string(node.name) + " around" + to_string(g.shape()));
        }
        void finished(const Node& node, const Variable& g) override {
            heard.push_back(std::string(node.name) + " done" + to_string(g.shape()));
        }
        Names heard;
        const Tape* under_way = nullptr;
    };
    const Parameter x = Array::filled({2, 3}, float32, 2);
    Walks walks;
    const Variable a = sigmoid(x), loss = sum(log(a));
    grad(loss, x, a);
    BOOST_TEST(walks.heard == (Names{"walk sum()", "log_sigmoid around(2, 3)", "sigmoid done(2, 3)",
                                     "parameter done(2, 3)", "end"}),
               boost::test_tools::per_element());
    walks.heard.clear();
    loss.backward();
    BOOST_TEST(walks.heard == (Names{"walk sum()", "parameter done(2, 3)", "end"}), boost::test_tools::per_element());
    walks.heard.clear();
    BOOST_CHECK_THROW(loss.backward(), TapeError);
    BOOST_TEST(walks.heard.empty());
}

BOOST_AUTO_TEST_CASE(constants_and_numbers_are_kept_for_those_who_look) {
    const Parameter x = Array::filled({2}, float32, 2);
    const Variable c = Variable(Array::filled({2}, float32, 3));
    const auto constant_of = [](const Variable& y, std::size_t p) { return y.node()->arguments()[p].array(); };
    BOOST_TEST((x + 5.0).node()->arity() == 1U);
    BOOST_TEST(!constant_of(x + c, 1));
    const KeepOutputs looking;
    BOOST_TEST(constant_of(x + 5.0, 1).at(0) == 5);
    BOOST_TEST(constant_of(5.0 - x, 0).at(0) == 5);
    BOOST_TEST(constant_of(x + c, 1).at(1) == 3);
    BOOST_TEST(constant_of(concatenate({c, x}), 0).at(1) == 3);
    const Variable y = 2.0 * x;
    BOOST_TEST(grad(sum(y), x).array().at(0) == 2);
    BOOST_TEST(y.node()->output.at(0) == 4);
}

BOOST_AUTO_TEST_CASE(die_in_any_order) {
    const Parameter x = Array::filled({2}, float32, 2);
    auto older = std::make_unique<Listener>();
    const auto middle = std::make_unique<Listener>();
    auto younger = std::make_unique<Listener>();
    older.reset();
    const Variable y = square(x);
    younger.reset();
    const Variable z = sum(y);
    BOOST_TEST(middle->operations == (Names{"square", "sum"}), boost::test_tools::per_element());
    BOOST_TEST(Observer::current() == middle.get());
    BOOST_TEST(!middle->outer());
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

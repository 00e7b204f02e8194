#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/nn/loss.hpp>

/// Problem P1 of the document: images of 64 x 64 given to a model of 4096 columns. NumPy broadcasts on and fails, or does not,
/// deep inside the loss; here the first wrong operation throws.
using namespace xtape;

namespace {

Variable ones(const Shape& shape) { return Variable(Array::filled(shape, float32, 1)); }

/// What f throws, which must be a ShapeError.
template <class F>
std::string text_of_error(F f) {
    try {
        f();
    } catch (const ShapeError& error) {
        return error.what();
    }
    BOOST_ERROR("no ShapeError");
    return "";
}

std::string recorded_at(int line) { return "\n  recorded at problem_shapes.cpp:" + std::to_string(line); }

}  // namespace

BOOST_AUTO_TEST_SUITE(problem_shapes)

BOOST_AUTO_TEST_CASE(p1_images_that_were_not_flattened) {
    const Variable images = ones({1000, 64, 64}), y = ones({1000, 1});
    const Parameter W(ones({4096, 1})), b(ones({1}));
    int line = 0;
    bool went_on = false;
    const std::string text = text_of_error([&] {
        line = __LINE__ + 1;
        Variable z = matmul(images, W) + b;
        went_on = true;
        Variable a = sigmoid(z);
        return -mean(y * log(a) + (1 - y) * log(1 - a));
    });
    BOOST_TEST(!went_on);
    BOOST_TEST(text == "matmul: inner sizes differ: X (1000, 64, 64) x W (4096, 1), 64 != 4096" + recorded_at(line));

    const Variable flat = flatten(images, 1);
    BOOST_TEST(to_string(matmul(flat, W).shape()) == "(1000, 1)");
}

/// The document's W had 64 rows then, and (1000, 64, 1) met the labels (1000, 1).
BOOST_AUTO_TEST_CASE(p1_predictions_with_an_axis_too_many) {
    const Variable images = ones({1000, 64, 64}), y = ones({1000, 1});
    const Parameter W(ones({64, 1}));
    const Variable a = sigmoid(matmul(images, W));
    int line = 0;
    const std::string text = text_of_error([&] {
        line = __LINE__ + 1;
        return -mean(y * log(a) + (1 - y) * log(1 - a));
    });
    BOOST_TEST(text.find("multiply: ") == 0, text);
    for (const std::string part : {"(1000, 1)", "(1000, 64, 1)", "1000 != 64"})
        BOOST_TEST(text.find(part) != std::string::npos, part << " is not in: " << text);
    BOOST_TEST(text.find(recorded_at(line)) != std::string::npos, text);
}

/// (m,) against (m, 1) would broadcast to (m, m) and give a number that looks like a loss.
BOOST_AUTO_TEST_CASE(p1_losses_refuse_to_broadcast) {
    const Variable column = ones({5, 1}), row = ones({5});
    using Loss = std::function<Variable(const Variable&, const Variable&, Where)>;
    const auto mean = nn::Reduction::mean;
    const std::vector<std::pair<std::string, Loss>> losses = {
        {"log_loss", [=](auto& a, auto& y, Where at) { return nn::log_loss(a, y, mean, at); }},
        {"bce_with_logits", [=](auto& a, auto& y, Where at) { return nn::bce_with_logits(a, y, mean, at); }},
        {"mse", [=](auto& a, auto& y, Where at) { return nn::mse(a, y, mean, at); }},
        {"l1", [=](auto& a, auto& y, Where at) { return nn::l1(a, y, mean, at); }},
        {"huber", [=](auto& a, auto& y, Where at) { return nn::huber(a, y, 1, mean, at); }},
        {"kl_div", [=](auto& a, auto& y, Where at) { return nn::kl_div(a, y, mean, at); }},
        {"hinge", [=](auto& a, auto& y, Where at) { return nn::hinge(a, y, mean, at); }},
    };
    for (const auto& [name, loss] : losses) {
        const Where here = Where::here();
        const std::string there = text_of_error([&] { return loss(column, row, here); });
        BOOST_TEST(there ==
                   name + ": prediction and target must have the same shape: (5, 1) != (5,)" + recorded_at(here.line));
        const std::string back = text_of_error([&] { return loss(row, column, here); });
        BOOST_TEST(back ==
                   name + ": prediction and target must have the same shape: (5,) != (5, 1)" + recorded_at(here.line));
    }
    const int line = __LINE__ + 1;
    const std::string text = text_of_error([&] { return nn::log_loss(sigmoid(column), row); });
    BOOST_TEST(text.find(recorded_at(line)) != std::string::npos, text);
    IntArray column_of_labels{1, 0, 2, 0, 1};
    column_of_labels.reshape({5, 1});
    const std::string labels = text_of_error([&] { return nn::cross_entropy(ones({5, 3}), column_of_labels); });
    BOOST_TEST(labels.find("(5, 1)") != std::string::npos, labels);
}

BOOST_AUTO_TEST_SUITE_END()

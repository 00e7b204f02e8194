#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/nn/nn.hpp>

#include "files.hpp"

/// What the tests of nn share.
namespace xtape::nn_test {

inline std::vector<double> values(const Array& array) {
    std::vector<double> result;
    for (Index i = 0; i < array.size(); ++i) result.push_back(array.at(i));
    return result;
}

inline bool same_values(const Array& a, const Array& b) { return a.shape() == b.shape() && values(a) == values(b); }

/// y has this shape and these elements, within `tolerance` relative to max(1, |expected|).
inline void check_close(const Variable& y, const Shape& shape, const std::vector<double>& expected,
                        double tolerance = 1e-6) {
    BOOST_REQUIRE_EQUAL(to_string(y.shape()), to_string(shape));
    BOOST_REQUIRE_EQUAL(static_cast<std::size_t>(y.size()), expected.size());
    for (Index i = 0; i < y.size(); ++i) {
        const double wanted = expected[static_cast<std::size_t>(i)], got = y.array().at(i);
        BOOST_CHECK_MESSAGE(std::abs(got - wanted) <= tolerance * std::max(1.0, std::abs(wanted)),
                            "element " << i << ": " << got << ", expected " << wanted);
    }
}

inline void check_close(const Variable& y, double expected, double tolerance = 1e-6) {
    check_close(y, {}, {expected}, tolerance);
}

/// Numbers without a pattern, in [-1, 1], different for each `seed`.
inline Variable wave(const Shape& shape, double seed, DType dtype = float64) {
    Array array = Array::uninitialized(shape, dtype);
    for (Index i = 0; i < array.size(); ++i) {
        const double value = std::sin(seed + 1.7 * static_cast<double>(i) + 0.3 * static_cast<double>(i % 5));
        dispatch(dtype, [&](auto tag) { array.mutable_data<decltype(tag)>()[i] = static_cast<decltype(tag)>(value); });
    }
    return array;
}

/// The text of the Exception that f throws.
template <class Exception, class F>
std::string message(F&& f) {
    try {
        f();
    } catch (const Exception& error) {
        return error.what();
    } catch (const std::exception& error) {
        BOOST_ERROR("another exception: " << error.what());
        return {};
    }
    BOOST_ERROR("nothing was thrown");
    return {};
}

inline void check_contains(const std::string& text, const std::string& part) {
    BOOST_CHECK_MESSAGE(text.find(part) != std::string::npos, "\"" << part << "\" is not in:\n" << text);
}

/// The tape's gradient of loss() in every parameter of a float64 module, against central differences.
template <class Loss>
void check_parameter_gradients(nn::Module& module, Loss&& loss) {
    for (auto& [name, parameter] : module.named_parameters()) {
        module.zero_grad();
        loss().backward();
        const Array gradient = parameter.grad();
        BOOST_REQUIRE_MESSAGE(gradient, name << " has no gradient");
        const Array start = parameter.array().copy();
        for (Index i = 0; i < start.size(); ++i) {
            const auto shifted = [&](double by) {
                Array next = start.copy();
                next.mutable_data<double>()[i] += by;
                parameter.assign(next);
                return loss().item();
            };
            const double step = 1e-5, difference = (shifted(step) - shifted(-step)) / (2 * step);
            BOOST_CHECK_MESSAGE(std::abs(gradient.at(i) - difference) < 1e-7 * std::max(1.0, std::abs(difference)),
                                name << " element " << i << ": tape " << gradient.at(i) << ", differences "
                                     << difference);
        }
        parameter.assign(start);
    }
}

using testing::Folder;

inline std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace xtape::nn_test

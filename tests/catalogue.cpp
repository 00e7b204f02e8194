#include "catalogue.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/threads.hpp>

namespace xtape::catalogue {

std::string Sample::name() const {
    std::string text = operation + " of";
    for (const Variable& x : inputs) text += " " + to_string(x.shape());
    return text;
}

// --------------------------------------------------------------------------------------------------------- inputs

Variable Draw::uniform(const Shape& shape, double low, double high, const std::vector<double>& kinks, double distance) {
    Array x = Array::uninitialized(shape, float64);
    for (Index i = 0; i < x.size(); ++i) {
        const auto near = [&](double kink) { return std::abs(x.at(i) - kink) < distance; };
        do {
            const double value = low + (high - low) * generator_.uniform();
            x.mutable_data<double>()[i] = std::min(high, std::max(low, std::round(value * 1024) / 1024));
        } while (std::any_of(kinks.begin(), kinks.end(), near));
    }
    return Variable(x);
}

Variable Draw::distinct(const Shape& shape, double spacing) {
    Array x = Array::uninitialized(shape, float64);
    const auto order = random::permutation(x.size(), generator_);
    for (Index i = 0; i < x.size(); ++i) {
        const Index place = order[static_cast<std::size_t>(i)] - x.size() / 2;
        x.mutable_data<double>()[i] = spacing * (static_cast<double>(place) + 0.5);
    }
    return Variable(x);
}

Inputs Draw::distinct_pair(const Shape& a, const Shape& b) {
    const Variable both = distinct({a.count() + b.count()});
    Array first = Array::uninitialized(a, float64), second = Array::uninitialized(b, float64);
    for (Index i = 0; i < first.size(); ++i) first.mutable_data<double>()[i] = both.array().at(i);
    for (Index i = 0; i < second.size(); ++i) second.mutable_data<double>()[i] = both.array().at(first.size() + i);
    return {Variable(first), Variable(second)};
}

Variable Draw::mask(const Shape& shape) { return Variable(random::bernoulli(shape, 0.5, generator_, float64)); }

// --------------------------------------------------------------------------------------------------------- checks

void check_gradients(const Samples& samples) {
    for (const Sample& sample : samples) {
        if (sample.large) continue;
        const GradCheck verdict = gradient_check(sample.call, sample.inputs, sample.options);
        BOOST_TEST(verdict.ok, sample.name() << ": " << verdict.message);
    }
}

namespace {

/// The result and, for fixed uneven weights, the gradient in each input.
std::vector<Array> results(const Sample& sample, DType dtype) {
    std::vector<Variable> xs;
    for (const Variable& x : sample.inputs) xs.push_back(Parameter(x.array().astype(dtype)).variable());
    const Variable y = sample.call(xs);
    std::vector<Array> all{y.array()};
    if (!y.requires_grad()) return all;
    Generator generator(1);
    const Variable seed(random::uniform(y.shape(), 0.5, 1.5, generator, float32).astype(y.dtype()));
    for (const Variable& g : pullback(y, seed, xs, false, Where::here())) all.push_back(g.array());
    return all;
}

double largest(const Array& x) {
    double most = 0;
    for (Index i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x.at(i)));
    return most;
}

bool same_bits(const Array& a, const Array& b) {
    if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
    const std::size_t bytes = static_cast<std::size_t>(a.size()) * size_of(a.dtype());
    return dispatch(a.dtype(), [&](auto tag) {
        using T = decltype(tag);
        return std::memcmp(a.data<T>(), b.data<T>(), bytes) == 0;
    });
}

}  // namespace

void check_float32(const Samples& samples) {
    for (const Sample& sample : samples) {
        const auto wide = results(sample, float64), narrow = results(sample, float32);
        BOOST_REQUIRE_EQUAL(wide.size(), narrow.size());
        for (std::size_t k = 0; k < wide.size(); ++k) {
            BOOST_REQUIRE(wide[k].shape() == narrow[k].shape());
            double most = 0;
            for (Index i = 0; i < wide[k].size(); ++i) most = std::max(most, std::abs(wide[k].at(i) - narrow[k].at(i)));
            BOOST_TEST(most <= sample.rounding * largest(wide[k]),
                       sample.name() << (k ? ": gradient " + std::to_string(k) : ": value") << " is off by " << most
                                     << " of " << largest(wide[k]));
        }
    }
}

void check_threads(const Samples& samples) {
    for (const Sample& sample : samples) {
        for (const DType dtype : {float32, float64}) {
            set_threads(1);
            const auto alone = results(sample, dtype);
            set_threads(2);
            const auto shared = results(sample, dtype);
            set_threads(0);
            for (std::size_t k = 0; k < alone.size(); ++k)
                BOOST_TEST(same_bits(alone[k], shared[k]), sample.name()
                                                               << " in " << name_of(dtype) << ", result " << k);
        }
    }
}

// --------------------------------------------------------------------------------------------------------- completeness

std::vector<std::string> declared_operations(const std::string& header) {
    const std::string code = std::regex_replace(header, std::regex("//[^\n]*"), "");
    const std::regex declaration(R"((?:^|\n)(?:\w|::|<|>)+ (operator\S+?|\w+)\(([^;]*)\);)");
    std::vector<std::pair<std::string, std::string>> found;
    std::map<std::string, int> times;
    for (std::sregex_iterator at(code.begin(), code.end(), declaration), end; at != end; ++at) {
        std::string types, text = (*at)[2].str() + ",";
        std::string argument;
        int depth = 0;  // of brackets: commas inside a template argument or initialiser separate nothing
        for (const char c : text) {
            if (c == '<' || c == '{' || c == '(') ++depth;
            if (c == '>' || c == '}' || c == ')') --depth;
            if (c != ',' || depth > 0) {
                argument += c;
                continue;
            }
            argument = std::regex_replace(argument.substr(0, argument.find('=')), std::regex(R"(^\s+|\s+$)"), "");
            const std::string type = argument.substr(0, argument.rfind(' '));
            if (type != "Where") types += (types.empty() ? "" : ", ") + type;
            argument.clear();
        }
        found.emplace_back((*at)[1], types);
        ++times[(*at)[1]];
    }
    std::vector<std::string> names;
    for (const auto& [name, types] : found) names.push_back(times[name] > 1 ? name + "(" + types + ")" : name);
    return names;
}

std::vector<std::string> absent_operations(const std::string& header, const std::vector<std::string>& called) {
    const auto declared = declared_operations(header);
    const std::set<std::string> have(called.begin(), called.end()), want(declared.begin(), declared.end());
    std::vector<std::string> absent;
    std::set_difference(want.begin(), want.end(), have.begin(), have.end(), std::back_inserter(absent));
    std::set_difference(have.begin(), have.end(), want.begin(), want.end(), std::back_inserter(absent));
    return absent;
}

namespace {

std::string header_text() {
    std::ifstream file(XTAPE_SOURCE_DIR "/autograd/ops.hpp");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<std::string> called_operations() {
    std::vector<std::string> names;
    for (const auto& family :
         {elementwise, arithmetic, reductions, movement, linear_algebra, indexing, normalization, windows})
        for (const Sample& sample : family()) names.push_back(sample.operation);
    return names;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(catalogue)

BOOST_AUTO_TEST_CASE(every_operation_of_the_header_is_here) {
    BOOST_TEST(declared_operations(header_text()).size() >= 85U);
    for (const std::string& name : absent_operations(header_text(), called_operations()))
        BOOST_ERROR(name << " is in ops.hpp or in the catalogue, but not in both");
}

BOOST_AUTO_TEST_CASE(an_operation_left_out_is_named) {
    const auto called = called_operations();
    const std::string more =
        header_text() + "\n/// Cube root.\nVariable cbrt(Variable x, Where where = Where::here());\n";
    BOOST_TEST(absent_operations(more, called) == std::vector<std::string>{"cbrt"}, boost::test_tools::per_element());
    for (const std::string& name : declared_operations(header_text())) {
        std::vector<std::string> without = called;
        without.erase(std::remove(without.begin(), without.end(), name), without.end());
        BOOST_TEST(absent_operations(header_text(), without) == std::vector<std::string>{name},
                   boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(a_name_the_header_does_not_know_is_named) {
    BOOST_TEST(absent_operations("Variable exp(Variable x);", {"exp", "expp"}) == std::vector<std::string>{"expp"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(declarations_are_read_with_their_overloads) {
    const std::string header = R"(
        using IntArray = xt::xarray<std::int64_t>;
/// -x; not Variable commented(Variable x);
Variable operator-(Operand x);
Variable operator-(Operand a, Operand b);
Variable operator<=(Operand a, Operand b);
IntArray argmax(const Variable& x, Index axis, Where where = Where::here());
std::vector<Variable> split(const Variable& x, Index parts, Index axis = 0, Where where = Where::here());
std::vector<Variable> split(const Variable& x, const Shape& sizes, Index axis = 0, Where where = Where::here());
Variable pad(Variable x, const std::vector<std::pair<Index, Index>>& widths, double value = 0,
             Where where = Where::here());
)";
    const std::vector<std::string> expected{"operator-(Operand)",
                                            "operator-(Operand, Operand)",
                                            "operator<=",
                                            "argmax",
                                            "split(const Variable&, Index, Index)",
                                            "split(const Variable&, const Shape&, Index)",
                                            "pad"};
    BOOST_TEST(declared_operations(header) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace xtape::catalogue

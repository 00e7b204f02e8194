#include <xtape/xtape.hpp>

#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/reads.hpp>

/// An operation of the user's own is not taken for the library's one of the same name.
using namespace xtape;

namespace {

/// The arguments one after the other in one row, twice.
auto doubled(const char* name) {
    return custom(
        name,
        [](const Variable& x) {
            return concatenate({x, x});
        },
        [](const Variable& g, const Variable&, const Variable& x) {
            return sum(reshape(g, {2, x.size()}), 0);
        });
}

/// a + b of any shape.
auto added(const char* name) {
    const auto rule = [](const Variable& g, const Variable&, const Variable&, const Variable&) { return g; };
    return custom(
        name, [](const Variable& a, const Variable& b) { return a + b; }, rule, rule);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(custom_operation_names)

BOOST_AUTO_TEST_CASE(every_element_may_have_been_read) {
    const Parameter x = xt::xarray<float>{1, 2};
    for (const char* name : {"flatten", "reshape", "tanh"}) {
        const Variable y = doubled(name)(x);
        const detail::Part part = detail::part_read(*y.node(), 0, x.shape(), 3);
        BOOST_TEST(part.first == 0, name);
        BOOST_TEST(part.count == 2, name);
    }
    const Variable sums = added("multiply")(x, x), product = x * x;
    BOOST_TEST(!detail::is_elementwise(*sums.node()));
    BOOST_TEST(detail::is_elementwise(*product.node()));
    BOOST_TEST(detail::part_read(*added("dot")(x, x).node(), 0, x.shape(), 1).count == 2);
}

BOOST_AUTO_TEST_CASE(work_is_one_pass) {
    const Parameter x = xt::xarray<float>{1, 2}, number = Array::filled({}, float32, 3);
    inspect::Bill bill;
    doubled("flatten")(x);
    doubled("matmul")(x);
    added("conv2d")(number, number);
    BOOST_TEST_REQUIRE(bill.items().size() == 3U);
    for (std::size_t i = 0; i < 2; ++i) {
        BOOST_TEST(bill.items()[i].forward.bytes == 4 * (2 + 4));
        BOOST_TEST(bill.items()[i].forward.flops == 4);
    }
    BOOST_TEST(bill.items()[2].forward.flops == 1);
}

BOOST_AUTO_TEST_CASE(written_by_its_own_name) {
    const Parameter x = xt::xarray<double>{1, 2};
    inspect::Names names;
    names("x", x);
    for (const std::string name : {"matmul", "linear", "where", "tanh"}) {
        const auto derivation = inspect::derivation([&] { return sum(doubled(name.c_str())(x)); }, names);
        const std::string text = derivation.text();
        BOOST_TEST(text.find(name + "(x)") != std::string::npos, text);
        BOOST_TEST(derivation.checked(1e-8), text);
    }
}

/// A name is text, not a form with places, and no LaTeX.
BOOST_AUTO_TEST_CASE(any_name_is_derived) {
    const auto odd = custom(
        "f {} 50% & #", [](const Variable& x) { return 3 * x; },
        [](const Variable& g, const Variable&, const Variable&) { return 3 * g; });
    const Parameter p = xt::xarray<double>{1, 2};
    inspect::Names names;
    names("p", p);
    const auto derivation = inspect::derivation([&] { return sum(odd(p)); }, names);
    BOOST_TEST(derivation.checked());
    BOOST_TEST(derivation.text().find("f { } 50% & #(p)") != std::string::npos, derivation.text());
    const std::string escaped = "\\mathrm{f\\ \\{\\ \\}\\ 50\\%\\ \\&\\ \\#}(p)";
    BOOST_TEST(derivation.latex().find(escaped) != std::string::npos, derivation.latex());
}

BOOST_AUTO_TEST_SUITE_END()

#include <xtape/autograd/variable.hpp>

#include <sstream>

#include <boost/test/unit_test.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// Variables and parameters as values, and the bridge to xtensor.
using namespace xtape;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(variable)

BOOST_AUTO_TEST_CASE(from_expressions_of_xtensor) {
    const xt::xarray<float> a{{1, 2, 3}, {4, 5, 6}};
    const Variable lazy = 2 * a + 1;
    BOOST_TEST(lazy.shape() == (Shape{2, 3}));
    BOOST_TEST((lazy.dtype() == float32));
    BOOST_TEST((lazy.value<float>() == xt::xarray<float>{{3, 5, 7}, {9, 11, 13}}));

    const Variable turned = xt::transpose(a);
    BOOST_TEST(turned.shape() == (Shape{3, 2}));
    BOOST_TEST(turned.array().at(1) == 4);  // row-major whatever the expression was

    const Variable part = xt::view(a, xt::all(), 1);
    BOOST_TEST((part.value<float>() == xt::xarray<float>{2, 5}));

    const xt::xarray<float, xt::layout_type::column_major> by_columns = a;
    BOOST_TEST((Variable(by_columns).value<float>() == a));

    BOOST_TEST((Variable(xt::xarray<double>{1, 2}).dtype() == float64));
    BOOST_TEST((Variable(xt::xarray<int>{1, 2}).dtype() == float32));
    BOOST_TEST(Variable(xt::xtensor<double, 2>{{1, 2}}).shape() == (Shape{1, 2}));
    BOOST_TEST(Variable(xt::zeros<float>({2, 0, 3})).shape() == (Shape{2, 0, 3}));
    BOOST_TEST(Variable(xt::xarray<double>(3.5)).rank() == 0);
    BOOST_TEST(Variable(a > 2).array().at(2) == 1);  // bool becomes float32
}

BOOST_AUTO_TEST_CASE(values_go_on_in_xtensor) {
    const Parameter x = xt::xarray<float>{{1, 2}, {3, 4}};
    const Variable y = x * x;
    const auto view = y.value<float>();
    BOOST_TEST(xt::sum(view)() == 30);
    BOOST_TEST(xt::amax(view)() == 16);
    const xt::xarray<float> more = view + xt::sqrt(view);
    BOOST_TEST(more(1, 0) == 12);
    BOOST_TEST(view(1, 1) == 16);
    BOOST_TEST(x.value()(0, 1) == 2);
    BOOST_CHECK_EXCEPTION(y.value<double>(), DtypeError,
                          [](const DtypeError& error) { return contains(error.what(), "astype"); });
}

BOOST_AUTO_TEST_CASE(a_view_outlives_its_variable) {
    const auto view = [] {
        const Variable temporary(xt::xarray<double>{1, 2, 3});
        return (temporary * 2).value<double>();
    }();
    BOOST_TEST((view == xt::xarray<double>{2, 4, 6}));
}

BOOST_AUTO_TEST_CASE(size_along_an_axis_and_single_elements) {
    const Variable x = xt::zeros<float>({2, 3});
    BOOST_TEST(x.shape(0) == 2);
    BOOST_TEST(x.shape(-1) == 3);
    BOOST_TEST(x.rank() == 2);
    BOOST_TEST(x.size() == 6);
    BOOST_CHECK_THROW(x.shape(2), ShapeError);
    BOOST_CHECK_THROW(x.shape(-3), ShapeError);
    BOOST_CHECK_THROW(x.item(), ShapeError);
    BOOST_TEST(Variable(xt::xtensor<double, 2>{{2.5}}).item() == 2.5);
    BOOST_TEST(Variable(7.0).item() == 7);
    BOOST_TEST(!Variable());
}

BOOST_AUTO_TEST_CASE(constants_record_nothing) {
    const Variable a = xt::xarray<float>{1, 2}, b = a * 3 + a;
    BOOST_TEST(!b.requires_grad());
    BOOST_TEST(Tape(b).size() == 0U);
    const Parameter p = xt::xarray<float>{1, 2};
    const Variable y = p * a;
    BOOST_TEST(y.requires_grad());
    BOOST_TEST(!y.detach().requires_grad());
    BOOST_TEST(grad(sum(y * y.detach()), p).array().at(1) == 8);  // a (a p): one factor stands still
}

BOOST_AUTO_TEST_CASE(no_grad_lasts_as_long_as_it_lives) {
    const Parameter p = xt::xarray<float>{1, 2};
    {
        const NoGrad outer;
        BOOST_TEST(!recording());
        {
            const NoGrad inner;
            BOOST_TEST(!(p * 2).requires_grad());
        }
        BOOST_TEST(!recording());
    }
    BOOST_TEST(recording());
    BOOST_TEST((p * 2).requires_grad());
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_parameter_is_another_parameter) {
    Parameter a = xt::xarray<float>{1, 2};
    Parameter b = a;
    BOOST_TEST(a.array().data<float>() == b.array().data<float>());  // shared until one of them changes
    b -= Variable(xt::xarray<float>{1, 1});
    BOOST_TEST((a.value() == xt::xarray<float>{1, 2}));
    BOOST_TEST((b.value() == xt::xarray<float>{0, 1}));
    sum(a * a).backward();
    BOOST_TEST(static_cast<bool>(a.grad()));
    BOOST_TEST(!b.grad());
    a = b;
    BOOST_TEST((a.value() == xt::xarray<float>{0, 1}));
    BOOST_TEST(!(a.node() == b.node()));
}

BOOST_AUTO_TEST_CASE(a_step_is_made_in_place_when_nobody_looks) {
    Parameter p = xt::xarray<float>{1, 2};
    const void* before = p.array().data<float>();
    p -= 0.5 * Variable(xt::xarray<float>{2, 2});
    BOOST_TEST(p.array().data<float>() == before);
    BOOST_TEST((p.value() == xt::xarray<float>{0, 1}));
    p += Variable(xt::xarray<float>{10, 10});
    BOOST_TEST(p.array().data<float>() == before);
    BOOST_TEST((p.value() == xt::xarray<float>{10, 11}));
}

BOOST_AUTO_TEST_CASE(a_step_does_not_disturb_what_was_recorded) {
    Parameter p = xt::xarray<double>{1, 2, 3};
    const Variable y = sum(p * p * p);
    const auto seen = p.value<double>();
    p -= Variable(xt::xarray<double>{5, 5, 5});
    BOOST_TEST((p.value<double>() == xt::xarray<double>{-4, -3, -2}));
    BOOST_TEST((seen == xt::xarray<double>{1, 2, 3}));
    BOOST_TEST((grad(y, p).value<double>() == xt::xarray<double>{3, 12, 27}));  // 3 p^2 of the values y was made from
    p.assign(Array::filled({3}, float64, 100));
    BOOST_TEST((grad(y, p).value<double>() == xt::xarray<double>{3, 12, 27}));
    BOOST_TEST((grad(sum(square(p)), p).value<double>() == xt::xarray<double>{200, 200, 200}));
}

BOOST_AUTO_TEST_CASE(a_parameter_keeps_its_shape_and_dtype) {
    Parameter p = xt::zeros<float>({2, 3});
    BOOST_CHECK_THROW(p.assign(Array::filled({3, 2}, float32, 0)), ShapeError);
    BOOST_CHECK_THROW(p.assign(Array::filled({2, 3}, float64, 0)), DtypeError);
    BOOST_CHECK_THROW(p -= Variable(xt::zeros<double>({2, 3})), DtypeError);
    BOOST_CHECK_THROW(p -= Variable(xt::zeros<float>({4, 2, 3})), ShapeError);
    BOOST_CHECK_THROW(p.set_grad(Array::filled({3}, float32, 0)), ShapeError);
    BOOST_CHECK_THROW(Parameter().array(), Error);
    p -= Variable(xt::ones<float>({3}));  // a step may broadcast
    BOOST_TEST(p.array().at(5) == -1);
}

BOOST_AUTO_TEST_CASE(a_parameter_from_a_variable_follows_no_tape) {
    const Parameter a = xt::xarray<float>{1, 2};
    const Parameter b(a * 3);
    BOOST_TEST((b.value() == xt::xarray<float>{3, 6}));
    BOOST_TEST(Tape(b).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_reference_stays_good_when_the_parameter_moves) {
    Parameter p = xt::xarray<float>{1, 2};
    const ParameterRef reference(p);
    const Parameter moved = std::move(p);
    reference.writable().mutable_data<float>()[0] = 7;
    BOOST_TEST(moved.array().at(0) == 7);
    const auto held = moved.value();
    reference.writable().mutable_data<float>()[0] = 8;
    BOOST_TEST(held(0) == 7);
    BOOST_TEST(moved.array().at(0) == 8);
}

BOOST_AUTO_TEST_CASE(gradients_that_were_read_do_not_change_later) {
    const Parameter p = xt::xarray<float>{1, 2};
    sum(p * p).backward();
    const Array first = p.grad();
    sum(p * p).backward();
    BOOST_TEST(first.at(1) == 4);
    BOOST_TEST(p.grad().at(1) == 8);
}

BOOST_AUTO_TEST_CASE(printing_shows_shape_dtype_values_and_operation) {
    const Parameter p = xt::xarray<float>{{1.5, -2}, {0.25, 4}};
    const std::string text = to_string(exp(p));
    for (const char* part : {"(2, 2)", "float32", "exp", "4.48", "1.28"}) BOOST_TEST(contains(text, part), text);
    std::ostringstream out;
    out << p << Variable(2.5, float64) << Variable();
    for (const char* part : {"parameter", "-2", "()", "float64", "2.5", "without a value"})
        BOOST_TEST(contains(out.str(), part), out.str());
    BOOST_TEST(contains(to_string(Variable(xt::zeros<float>({0, 3}))), "(0, 3)"));
    const std::string long_one = to_string(Variable(xt::zeros<float>({1000, 1000})));
    BOOST_TEST(long_one.size() < 5000U);  // a summary
}

BOOST_AUTO_TEST_CASE(a_variable_without_a_value_is_refused) {
    const Variable nothing;
    const Parameter w = xt::xarray<float>{1, 2};
    BOOST_CHECK_THROW(w * nothing, ValueError);
    BOOST_CHECK_THROW(nothing + 1, ValueError);
    BOOST_CHECK_THROW(relu(nothing), ValueError);
    BOOST_CHECK_THROW(sum(nothing), ValueError);
    BOOST_CHECK_THROW(matmul(nothing, w), ValueError);
    BOOST_CHECK_THROW(nothing.shape(0), ValueError);
    Variable gone = w * 2;
    const Variable kept = std::move(gone);
    BOOST_CHECK_THROW(gone * 2, ValueError);
}

BOOST_AUTO_TEST_SUITE_END()

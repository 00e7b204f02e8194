#pragma once

#include <memory>
#include <type_traits>
#include <vector>

#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xnoalias.hpp>

#include <xtape/autograd/variable.hpp>

/// The bridge to xtensor: arrays from expressions, containers over arrays.
namespace xtape {

template <class E>
Array::Array(const xt::xexpression<E>& expression) {
    using Element = typename std::decay_t<E>::value_type;
    static_assert(std::is_arithmetic_v<Element>, "xtape arrays hold real numbers");
    using T = std::conditional_t<std::is_same_v<Element, double>, double, float>;
    const E& e = expression.derived_cast();
    *this = uninitialized(Shape(e.shape().begin(), e.shape().end()), dtype_of<T>);
    std::vector<std::size_t> sizes(e.shape().begin(), e.shape().end());
    auto view = xt::adapt(mutable_data<T>(), static_cast<std::size_t>(size()), xt::no_ownership(), sizes);
    xt::noalias(view) = xt::cast<T>(e);
}

[[noreturn]] void throw_wrong_element_type(DType held, DType asked);

/// `value<T>()`: a read-only xtensor container that shares the array's elements and keeps them alive.
template <class T>
struct ViewOf {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "value<float>() or value<double>()");

    static auto make(const Array& array) {
        if (array.dtype() != dtype_of<T>) throw_wrong_element_type(array.dtype(), dtype_of<T>);
        std::vector<std::size_t> sizes(array.shape().begin(), array.shape().end());
        return xt::adapt_smart_ptr(array.data<T>(), sizes, std::make_shared<const Array>(array));
    }
};

}  // namespace xtape

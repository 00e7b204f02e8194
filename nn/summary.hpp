#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <type_traits>
#include <vector>

#include <xtape/nn/module.hpp>

namespace xtape::nn {

/// The layers of a model in the order they are called.
struct Summary {
    struct Row {
        std::string name;   ///< "conv1", "3"
        std::string layer;  ///< "Linear(3136, 128)", "relu"
        Shape output;
        Index parameters;  ///< 0 when a row before has counted them
    };

    std::vector<Row> rows;
    Index parameters;  ///< of the whole model, those outside of any layer included
};

/// As a table: name, layer, output shape, parameters, and their total.
std::string to_string(const Summary& summary);
std::ostream& operator<<(std::ostream& out, const Summary& summary);

/// Looks on while `run` calls the module, in eval mode and without recording; the mode is put back after. For modules
/// that take something other than one Variable: `summarize(net, [&] { net(tokens); })`.
Summary summarize(Module& module, const std::function<void()>& run);

/// An input of zeros of this shape in the module's dtype.
Variable zero_input(const Module& module, const Shape& shape);

/// Calls the module on zeros: `std::cout << nn::summary(net, {1, 1, 28, 28});`. Whatever the module calls is seen:
/// layers everywhere, functions where they stand in a Sequential.
template <class Net>
Summary summary(Net& net, const Shape& input_shape, Where where = Where::here()) {
    return summarize(net, [&] {
        if constexpr (std::is_invocable_v<Net&, Variable, Where>)
            net(zero_input(net, input_shape), where);
        else
            net(zero_input(net, input_shape));
    });
}

}  // namespace xtape::nn

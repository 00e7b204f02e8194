// Losses and normalisations, forward and backward.
#include <memory>

#include "rows.hpp"

using namespace xtape;

namespace bench {
namespace {

Run cross_entropy() {
    const auto logits = std::make_shared<Parameter>(array(1, {4096, 1000}, 5));
    const IntArray labels = label_array(2, 4096, 1000);
    return silent_after_first([=](bool print) {
        logits->zero_grad();
        Variable loss = nn::cross_entropy(*logits, labels);
        loss.backward();
        if (print) output("loss", loss.array()), output("gradient", logits->grad());
    });
}

/// Focal loss as somebody writes it who has only the formula.
Run focal() {
    const auto z = std::make_shared<Parameter>(array(1, {1000000}, 4));
    const Variable t = bits(2, {1000000});
    return silent_after_first([=](bool print) {
        z->zero_grad();
        Variable p = sigmoid(*z);
        Variable q = t * p + (1 - t) * (1 - p);
        Variable loss = mean(-square(1 - q) * log(q));
        loss.backward();
        if (print) output("loss", loss.array()), output("gradient", z->grad());
    });
}

/// The same formula as one lambda, of logits or of probabilities between 0.1 and 0.9.
Run fused_focal(bool of_logits) {
    static const auto of_probabilities = [](auto p, auto t) {
        auto q = t * p + (1 - t) * (1 - p);
        return -square(1 - q) * log(q);
    };
    const auto focal_of_p = elementwise("focal", of_probabilities);
    const auto focal_of_z = elementwise("focal", [](auto z, auto t) { return of_probabilities(sigmoid(z), t); });
    const auto x = std::make_shared<Parameter>(of_logits ? Variable(array(1, {1000000}, 4))
                                                         : Variable(array(1, {1000000}, 0.4)) + 0.5);
    const Variable t = bits(2, {1000000});
    return silent_after_first([=](bool print) {
        x->zero_grad();
        Variable loss = of_logits ? mean(focal_of_z(*x, t)) : mean(focal_of_p(*x, t));
        loss.backward();
        if (print) output("loss", loss.array()), output("gradient", x->grad());
    });
}

/// A normalising layer in the middle of a network: gradients of input, weight and bias.
template <class Layer>
Run normalization(Layer made, const Shape& shape) {
    const auto layer = std::make_shared<Layer>(std::move(made));
    layer->weight.assign(array(3, layer->weight.shape()));
    layer->bias.assign(array(4, layer->bias.shape()));
    const auto x = std::make_shared<Parameter>(array(1, shape));
    const Variable g = array(2, shape);
    return silent_after_first([=](bool print) {
        Variable y = (*layer)(*x);
        const auto gradients = pullback(y, g, {*x, layer->weight, layer->bias}, false, Where::here());
        if (!print) return;
        output("y", y.array());
        for (std::size_t i = 0; i < 3; ++i) output("gradient." + std::to_string(i), gradients[i].array());
    });
}

}  // namespace

void add_operations(Rows& rows) {
    rows["cross_entropy"] = [](const std::string&) { return cross_entropy(); };
    rows["focal_plain"] = [](const std::string&) { return focal(); };
    rows["focal_elementwise"] = [](const std::string& which) {
        if (which == "1000000 logits") return fused_focal(true);
        if (which == "1000000 probabilities") return fused_focal(false);
        throw std::invalid_argument("no such case: " + which);
    };
    rows["norms"] = [](const std::string& which) {
        if (which == "layer_norm (512, 1024)") return normalization(nn::LayerNorm(1024), {512, 1024});
        if (which == "batch_norm (128, 64, 28, 28)") return normalization(nn::BatchNorm2d(64), {128, 64, 28, 28});
        throw std::invalid_argument("no such case: " + which);
    };
}

}  // namespace bench

// Networks from layers: training steps with Adam, and inference.
#include <cmath>
#include <memory>

#include "rows.hpp"

using namespace xtape;

namespace bench {
namespace {

/// A network and the shape of what it is given.
struct Model {
    nn::Sequential net;
    Shape input;
    std::uint32_t classes;
};

/// The network of the document's section 5.
Model s5(Index batch, double dropout) {
    return {{nn::Conv2d(1, 128, 5, nn::same), relu, nn::MaxPool2d(2), nn::Conv2d(128, 64, 3, nn::same), relu,
             nn::MaxPool2d(2), nn::Flatten(), nn::Linear(3136, 128), relu, nn::Dropout(dropout), nn::Linear(128, 47)},
            {batch, 1, 28, 28},
            47};
}

/// The network of examples/cnn_fashion_mnist.cpp.
Model demo(Index batch, double dropout) {
    return {{nn::Conv2d(1, 32, 3, nn::same), nn::BatchNorm2d(32), relu, nn::MaxPool2d(2),
             nn::Conv2d(32, 64, 3, nn::same), nn::BatchNorm2d(64), relu, nn::MaxPool2d(2), nn::Flatten(),
             nn::Dropout(dropout), nn::Linear(64 * 7 * 7, 128), relu, nn::Dropout(dropout), nn::Linear(128, 10)},
            {batch, 1, 28, 28},
            10};
}

Model mlp(Index batch) {
    return {{nn::Linear(784, 512), relu, nn::Linear(512, 512), relu, nn::Linear(512, 10)}, {batch, 784}, 10};
}

/// The same on both sides; the scales of batch normalisation stay as they begin.
void set_weights(nn::Sequential& net) {
    std::uint32_t seed = 100;
    for (auto& [name, parameter] : net.named_parameters()) {
        ++seed;
        const Shape shape = parameter.shape();
        if (name.find("bias") != std::string::npos) {
            parameter.assign(array(seed, shape, 0.1));
        } else if (shape.rank() > 1) {
            const Index inputs = shape.rank() == 2 ? shape[0] : shape.count() / shape[0];
            parameter.assign(array(seed, shape, 1.5 / std::sqrt(static_cast<double>(inputs))));
        }
    }
}

class Training {
public:
    Training(Model model, double rate)
        : net_(std::move(model.net)),
          x_(array(1, model.input)),
          labels_(label_array(2, static_cast<std::size_t>(model.input[0]), model.classes)),
          adam_(net_.parameters(), rate) {
        set_weights(net_);
    }

    double step() {
        net_.train();
        Variable loss = nn::cross_entropy(net_(x_), labels_);
        adam_.zero_grad();
        loss.backward();
        adam_.step();
        return loss.item();
    }

    std::vector<double> gradient_norms() {
        std::vector<double> norms;
        for (const auto& parameter : adam_.parameters()) norms.push_back(norm(Variable(parameter.grad())).item());
        return norms;
    }

private:
    nn::Sequential net_;
    Variable x_;
    IntArray labels_;
    optim::Adam adam_;
};

/// Compared without dropout, whose masks are everybody's own, and at a rate that shows; timed at one that changes nothing.
Run training(Model compared, Model timed) {
    {
        Training training(std::move(compared), 1e-3);
        std::vector<double> losses{training.step()};
        output("gradient_norms", training.gradient_norms());
        for (int i = 0; i < 2; ++i) losses.push_back(training.step());
        output("losses", losses);
    }
    const auto training = std::make_shared<Training>(std::move(timed), 1e-6);
    return [training] { training->step(); };
}

Run inference(Model model) {
    set_weights(model.net);
    model.net.eval();
    const auto net = std::make_shared<nn::Sequential>(std::move(model.net));
    const Variable x = array(1, model.input);
    const auto predict = [net, x] {
        const NoGrad constant;
        return (*net)(x);
    };
    output("logits", predict().array());
    return [predict] { predict(); };
}

}  // namespace

void add_networks(Rows& rows) {
    rows["s5_train"] = [](const std::string&) { return training(s5(512, 0), s5(512, 0.5)); };
    rows["s5_infer"] = [](const std::string&) { return inference(s5(512, 0.5)); };
    rows["s5_latency"] = [](const std::string&) { return inference(s5(1, 0.5)); };
    rows["demo_train"] = [](const std::string&) { return training(demo(128, 0), demo(128, 0.25)); };
    rows["mlp_adam"] = [](const std::string&) { return training(mlp(128), mlp(128)); };
    rows["peak_memory"] = [](const std::string&) {
        const auto training = std::make_shared<Training>(s5(512, 0.5), 1e-3);
        return [training] { training->step(); };
    };
}

}  // namespace bench

// A convolutional network learns ten kinds of clothing from 60 000 photographs.
#include <cstring>

#include <fmt/core.h>

#include "options.hpp"

using namespace xtape;

nn::Sequential network() {
    return {nn::Conv2d(1, 32, 3, nn::same),
            nn::BatchNorm2d(32),
            relu,
            nn::MaxPool2d(2),
            nn::Conv2d(32, 64, 3, nn::same),
            nn::BatchNorm2d(64),
            relu,
            nn::MaxPool2d(2),
            nn::Flatten(),
            nn::Dropout(0.25),
            nn::Linear(64 * 7 * 7, 128),
            relu,
            nn::Dropout(0.25),
            nn::Linear(128, 10)};
}

Variable predict(nn::Sequential& net, const datasets::ImageSet& set) {
    const NoGrad constant;
    net.eval();
    std::vector<Variable> logits;
    for (auto& batch : datasets::Loader(set.images, set.labels, 500).epoch(0)) logits.push_back(net(batch.x));
    return concatenate(logits);
}

int main(int argc, char** argv) {
    Options options("Trains a convolutional network on Fashion-MNIST and draws what it learnt.", "demo-output");
    std::string data = "/usr/share/datasets/fashion-mnist";
    Index epochs = 6, batch = 128, samples = 60000;
    double rate = 5e-3;
    options.option("--data", data, "folder of the four files (Debian: package dataset-fashion-mnist)");
    options.option("--epochs", epochs, "of training")->check(CLI::PositiveNumber);
    options.option("--batch", batch, "images in a step")->check(CLI::PositiveNumber);
    options.option("--samples", samples, "train on the first so many")->check(CLI::Range(100, 60000));
    options.option("--rate", rate, "highest learning rate of the cycle")->check(CLI::NonNegativeNumber);

    return options.run(argc, argv, [&] {
        if (!std::filesystem::exists(data))
            throw DataError(data + ": no such folder; install the package dataset-fashion-mnist or say --data FOLDER");
        const auto [all, test] = datasets::fashion_mnist(data);
        const IntArray used = datasets::select(all.labels, xt::arange<std::int64_t>(std::min(samples, all.size())));
        const auto parts = datasets::stratified_split(used, 1.0 / 12, options.seed);
        const auto train = select(all, parts.train), validation = select(all, parts.validation);

        nn::Sequential net = network();
        std::cout << nn::summary(net, {1, 1, 28, 28});
        fmt::print("{} images to train on, {} to validate, {} to test\n", train.size(), validation.size(), test.size());

        datasets::Loader batches = datasets::Loader(train.images, train.labels, batch).shuffle(options.seed).prefetch();
        optim::Adam adam(net.parameters(), rate);
        optim::OneCycleLR schedule(rate, epochs * batches.size());
        Index step = 0;

        optim::FitOptions fit;
        fit.epochs = epochs;
        fit.optimizer = &adam;
        fit.validate = [&] {
            Variable logits = predict(net, validation);
            return optim::Score{nn::cross_entropy(logits, validation.labels).item(),
                                nn::accuracy(logits, validation.labels)};
        };
        optim::History history = optim::fit(fit, batches, [&](const datasets::Batch& images) {
            net.train();
            Variable logits = net(images.x), loss = nn::cross_entropy(logits, images.labels);
            adam.learning_rate(schedule(step++));
            adam.zero_grad();
            loss.backward();
            adam.step();
            return optim::Score{loss.item(), nn::accuracy(logits, images.labels), images.size()};
        });

        Variable logits = predict(net, test);
        history.write_csv(options.out / "history.csv");
        history.draw(options.curves("curves"));
        optim::draw_confusion(optim::confusion_matrix(test.labels, argmax(logits, 1), 10), test.classes,
                              options.curves("confusion"), "test images");
        const auto mistakes = optim::worst_mistakes(test.images, softmax(logits), test.labels, test.classes);
        optim::draw_contact_sheet(mistakes, options.out / "worst-mistakes.png", "the most confident mistakes");
        optim::draw_filters(net.get<nn::Conv2d>(0).weight.array(), options.out / "filters.png",
                            "filters of the first layer");

        const std::string file = options.out / "model.safetensors";
        nn::save(net, file);
        nn::Sequential reloaded = network();
        nn::load(reloaded, file);
        const Array now = logits.array(), then = predict(reloaded, test).array();
        const std::size_t bytes = static_cast<std::size_t>(now.size()) * sizeof(float);
        const bool equal = std::memcmp(now.data<float>(), then.data<float>(), bytes) == 0;
        fmt::print("reloaded model: predictions {}\n", equal ? "equal bit for bit" : "DIFFER");
        fmt::print("test accuracy: {:.4f}\n", nn::accuracy(logits, test.labels));
        return equal;
    });
}

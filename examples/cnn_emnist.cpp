// The document's convolutional network (S5) reads handwritten digits and letters; with --best, better ones do.
#include <fmt/core.h>

#include "emnist_best.hpp"
#include "options.hpp"

using namespace xtape;

/// Keras starts from Glorot's uniform weights and from biases of 0.
template <class Layer>
void glorot(Layer& layer) {
    nn::init::xavier_uniform(layer.weight, random::generator());
    nn::init::zeros(layer.bias);
}

nn::Sequential network(Index side, Index classes) {
    const Index pooled = side / 2 / 2;
    // clang-format off
    nn::Sequential net{nn::Conv2d(1, 128, 5, nn::same), relu, nn::MaxPool2d(2),
                       nn::Conv2d(128, 64, 3, nn::same), relu, nn::MaxPool2d(2), nn::Flatten(),
                       nn::Linear(64 * pooled * pooled, 128), relu, nn::Dropout(0.5), nn::Linear(128, classes)};
    // clang-format on
    for (Index convolution : {0, 3}) glorot(net.get<nn::Conv2d>(convolution));
    for (Index dense : {7, 10}) glorot(net.get<nn::Linear>(dense));
    return net;
}

optim::History train(nn::Sequential& net, const datasets::ImageSet& set, optim::FitOptions fit, Index batch,
                     std::uint64_t seed) {
    auto batches = datasets::Loader(set.images, set.labels, batch).shuffle(seed).prefetch();
    optim::Adam adam(net.parameters(), 1e-3);
    fit.optimizer = &adam;
    return optim::fit(fit, batches, [&](const datasets::Batch& images) {
        net.train();
        Variable logits = net(images.x), loss = nn::cross_entropy(logits, images.labels);
        adam.zero_grad();
        loss.backward();
        adam.step();
        return optim::Score{loss.item(), nn::accuracy(logits, images.labels), images.size()};
    });
}

std::string name(const datasets::ImageSet& set, std::int64_t label) {
    return set.classes[static_cast<std::size_t>(label)];
}

/// The first images, titled with their characters.
void draw_samples(const datasets::ImageSet& set, const std::filesystem::path& path) {
    std::vector<optim::Tile> tiles;
    for (std::size_t i = 0; i < 9 && i < set.labels.size(); ++i)
        tiles.push_back({slice(set.images, {i, 0}).array(), name(set, set.labels(i))});
    optim::draw_contact_sheet(tiles, path, "training images", 3);
}

template <class Net>
Variable predict(Net& net, const datasets::ImageSet& set) {
    const NoGrad constant;
    net.eval();
    std::vector<Variable> logits;
    for (auto& batch : datasets::Loader(set.images, set.labels, 500).epoch(0)) logits.push_back(net(batch.x));
    return concatenate(logits);
}

optim::Score score(const Variable& logits, const IntArray& labels) {
    return {nn::cross_entropy(logits, labels).item(), nn::accuracy(logits, labels)};
}

/// Trains, and shows what was learnt: curves, mistakes, the model itself.
template <class Net, class Train>
void run(Net net, Train train, const datasets::ImageSets& sets, double held_out, optim::FitOptions fit, Index batch,
         const Options& options) {
    const auto parts = datasets::stratified_split(sets.train.labels, held_out, options.seed);
    const auto taught = select(sets.train, parts.train), validation = select(sets.train, parts.validation);
    std::cout << nn::summary(net, {1, 1, sets.test.images.shape(2), sets.test.images.shape(3)});
    fmt::print("{} images to train on, {} to validate, {} to test\n", taught.size(), validation.size(),
               sets.test.size());
    if (validation.size() > 0) fit.validate = [&] { return score(predict(net, validation), validation.labels); };

    const optim::History history = train(net, taught, fit, batch, options.seed);
    history.write_csv(options.out / "history.csv");
    history.draw(options.curves("curves"));
    nn::save(net, options.out / "model.safetensors");

    const Variable logits = predict(net, sets.test);
    const IntArray confusions = optim::confusion_matrix(sets.test.labels, argmax(logits, 1), logits.shape(1));
    optim::draw_confusion(confusions, sets.test.classes, options.curves("confusion"), "test images");
    fmt::print("most confused:\n");
    for (const auto& pair : optim::most_confused(confusions, 10)) {
        const std::string first = name(sets.test, pair.first), second = name(sets.test, pair.second);
        fmt::print("  {} taken for {} {} times, {} for {} {} times\n", first, second, pair.forward, second, first,
                   pair.back);
    }
    const optim::Score test = score(logits, sets.test.labels);
    fmt::print("test loss: {:.4f} test accuracy: {:.4f}\n", test.loss, test.metric);
}

int main(int argc, char** argv) {
    Options options("Trains a convolutional network on a split of EMNIST and draws what it learnt.", "emnist-output");
    std::string data = ".", split = "emnist-balanced", train_csv, test_csv, mapping;
    std::optional<Index> epochs, batch;
    std::optional<double> held_out;
    bool best = false;
    options.option("--data", data, "folder of the four IDX files, plain or .gz, and of the mapping");
    options.option("--split", split, "NAME of NAME-train-images-idx3-ubyte");
    auto* csv = options.add_option("--train", train_csv, "CSV file to train on, in place of --data: label and pixels");
    csv->needs(options.add_option("--test", test_csv, "CSV file to test on")->needs(csv));
    options.add_option("--mapping", mapping, "file of the classes' characters; found beside the data where not given");
    options.add_flag("--best", best, "train the best network there is, not the document's");
    options.add_option("--epochs", epochs, "of training [10; best: 24]")->check(CLI::PositiveNumber);
    options.add_option("--batch", batch, "images in a step [512; best: 128]")->check(CLI::PositiveNumber);
    options.add_option("--validation", held_out, "share of the training images to hold out [0.1; best: 0]")
        ->check(CLI::Range(0.0, 0.9));

    return options.run(argc, argv, [&] {
        const auto sets = train_csv.empty() ? datasets::emnist(data, split, mapping)
                                            : datasets::ImageSets{datasets::read_emnist_csv(train_csv, mapping),
                                                                  datasets::read_emnist_csv(test_csv, mapping)};
        const auto classes = static_cast<Index>(sets.train.classes.size());
        draw_samples(sets.train, options.out / "samples.png");
        optim::FitOptions fit;
        fit.epochs = epochs.value_or(best ? 24 : 10);
        if (best)
            run(best::Committee(2, classes), best::train, sets, held_out.value_or(0), fit, batch.value_or(128),
                options);
        else
            run(network(sets.train.images.shape(2), classes), train, sets, held_out.value_or(0.1), fit,
                batch.value_or(512), options);
        return true;
    });
}

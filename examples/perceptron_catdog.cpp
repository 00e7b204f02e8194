// Cat or dog? 1000 grey photographs of 64 x 64: the document's perceptron, which learns next to nothing of use; the same
// neuron with better numbers; a small convolutional network.
#include <cmath>

#include <fmt/core.h>

#include "catdog_models.hpp"

using namespace xtape;

datasets::ImageSet read(const std::filesystem::path& folder, const std::string& part) {
    const std::string file = folder / (part + "set.hdf5");
    if (!std::filesystem::exists(file)) throw DataError(file + ": no such file; say --data FOLDER");
    const Array images = datasets::read_hdf5(file, "X_" + part);        // (N, 64, 64)
    IntArray labels = datasets::read_hdf5_integers(file, "Y_" + part);  // (N, 1)
    labels.reshape({labels.size()});
    return {expand_dims(images, 1), labels, {"cat", "dog"}};
}

/// Mean and standard deviation over the seeds.
std::string spread(const std::vector<double>& values) {
    const auto n = static_cast<double>(values.size());
    double mean = 0, squares = 0;
    for (double value : values) mean += value / n;
    for (double value : values) squares += (value - mean) * (value - mean);
    return values.size() < 2 ? fmt::format("{:.4f}", mean)
                             : fmt::format("{:.4f} +- {:.4f}", mean, std::sqrt(squares / (n - 1)));
}

/// What the first training of a model gives to look at.
void draw(const std::string& name, const catdog::Result& result, const datasets::ImageSet& test,
          const Options& options) {
    const std::filesystem::path& out = options.out;
    result.history.write_csv(out / (name + ".csv"));
    result.history.draw(options.curves(name), "cat or dog: " + name);
    if (!result.range.rates.empty())
        result.range.draw(options.curves(name + "-range"), "cat or dog: learning rate range test of the " + name);
    if (result.W)
        optim::draw_filters(reshape(result.W.variable(), {1, 1, 64, 64}).array(), out / (name + "-weights.png"),
                            "W: red for dog, blue for cat");
    const auto mistakes = optim::worst_mistakes(test.images, result.probability, test.labels, test.classes);
    if (!mistakes.empty())
        optim::draw_contact_sheet(mistakes, out / (name + "-mistakes.png"), name + ": the most confident mistakes");
}

/// The document's perceptron, the one with better numbers, or the convolutional network. Whatever the document does not
/// say was chosen by --validation 0.2, never by the test images.
catdog::Result train_one(const std::string& name, const datasets::ImageSet& train, const datasets::ImageSet& test,
                         double rate, Index iterations, Index epochs, std::uint64_t seed) {
    if (name == "perceptron")  // all pixels to [0, 1], W ~ N(0, 1)
        return catdog::neuron(train, test, datasets::min_max(train.images, Axes()), 1, {rate}, iterations);
    if (name == "improved")  // every pixel to mean 0 and deviation 1, a small start, weight decay
        return catdog::neuron(train, test, datasets::mean_std(train.images), 1e-3,
                              {2e-5, /*momentum*/ 0, /*nesterov*/ false, /*weight_decay*/ 100}, iterations);
    return catdog::cnn(train, test, epochs, seed);
}

int main(int argc, char** argv) {
    Options options("Tells cats from dogs by a perceptron and by better models.", "catdog-output");
    std::string data = "catdog", network = "all";
    Index seeds = 1, iterations = 3000, epochs = 50;
    double validation = 0, rate = 0.01;
    options.option("--data", data, "folder of trainset.hdf5 and testset.hdf5");
    options.option("--network", network, "which")->check(CLI::IsMember({"perceptron", "improved", "cnn", "all"}));
    options.option("--seeds", seeds, "trainings of each, with this many seeds from --seed on")
        ->check(CLI::PositiveNumber);
    options.option("--rate", rate, "learning rate of the document's perceptron; with 0.1 its cost bounces")
        ->check(CLI::NonNegativeNumber);
    options.option("--iterations", iterations, "of the neurons' gradient descent")->check(CLI::PositiveNumber);
    options.option("--epochs", epochs, "of the convolutional network")->check(CLI::PositiveNumber);
    options
        .option("--validation", validation,
                "share of the training images to use instead of the test images: for choosing")
        ->check(CLI::Range(0.0, 0.9));

    return options.run(argc, argv, [&] {
        const auto all = read(data, "train"), other = read(data, "test");
        fmt::print("train images: {}\ntest images: {}\n", to_string(all.images.shape()),
                   to_string(other.images.shape()));
        try {  // the document's first problem
            matmul(all.images, Variable(Array::filled({4096, 1}, float32, 0)));
        } catch (const ShapeError& error) {
            fmt::print("images that were not flattened, times W:\n{}\n", error.what());
        }
        std::string summary;
        for (const std::string name : {"perceptron", "improved", "cnn"}) {
            if (network != "all" && network != name) continue;
            std::vector<double> accuracies;
            for (std::uint64_t seed = options.seed; seed < options.seed + static_cast<std::uint64_t>(seeds); ++seed) {
                fmt::print("\n{}, seed {}\n", name, seed);
                random::seed(seed);
                const auto parts = datasets::stratified_split(all.labels, validation, seed);
                const auto train = select(all, parts.train),
                           test = validation > 0 ? select(all, parts.validation) : other;
                if (validation > 0)
                    fmt::print("{} images to train on, {} held out in place of the test's\n", train.size(),
                               test.size());
                const auto result = train_one(name, train, test, rate, iterations, epochs, seed);
                const optim::Epoch& end = result.history.epochs.back();
                accuracies.push_back(end.validation_metric);
                fmt::print("{}, seed {}: train accuracy {:.4f}, test accuracy {:.4f}\n", name, seed, end.metric,
                           end.validation_metric);
                if (seed == options.seed) draw(name, result, test, options);
            }
            summary += fmt::format("{} {} {}", summary.empty() ? "" : ",", name, spread(accuracies));
        }
        fmt::print("test accuracy:{}\n", summary);
        return true;
    });
}

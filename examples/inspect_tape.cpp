// A tape explains itself: as a table, as a picture, as a derivation and as a bill; for the two-layer network of the source
// document, whose four chained products are derived from the formula as written, and for its network of convolutions.
#include <fmt/core.h>

#include "options.hpp"

using namespace xtape;

/// The document's network: Z = W A + B, A = sigmoid(Z), columns are samples; loss F1 as written.
struct TwoLayers {
    Variable X, y;
    Parameter W1, B1, W2, B2;

    TwoLayers(Index features, Index hidden, Index samples)
        : X(random::normal({features, samples}, 0, 1, random::generator(), float64)),
          y(random::bernoulli({1, samples}, 0.5, random::generator(), float64)),
          W1(random::normal({hidden, features}, 0, 1, random::generator(), float64)),
          B1(random::normal({hidden, 1}, 0, 1, random::generator(), float64)),
          W2(random::normal({1, hidden}, 0, 1, random::generator(), float64)),
          B2(random::normal({1, 1}, 0, 1, random::generator(), float64)) {}

    Variable loss(inspect::Names& names) const {
        const Variable Z1 = matmul(W1, X) + B1, A1 = sigmoid(Z1);
        const Variable Z2 = matmul(W2, A1) + B2, A2 = sigmoid(Z2);
        names("X", X)("y", y)("W_1", W1)("B_1", B1)("W_2", W2)("B_2", B2);
        names("Z_1", Z1)("A_1", A1)("Z_2", Z2)("A_2", A2);
        return -mean(y * log(A2) + (1 - y) * log(1 - A2));
    }
};

void show(const char* title, const std::string& text) { fmt::print("\n{}\n\n{}", title, text); }

void explain_two_layers(const Options& options) {
    const TwoLayers network(3, 4, 6);
    inspect::Names names;
    const Variable loss = network.loss(names);
    show("The document's two-layer network as a table", to_string(inspect::table(loss, names)));
    inspect::draw(loss, options.curves("two-layers"), names);

    const auto derivation = inspect::derivation([&] { return network.loss(names); }, names);
    show("The same as a derivation", derivation.text());
    write_text(options.out / "two-layers.tex", derivation.latex_document());
    fmt::print("{}\n", derivation.checked() ? "every step is right" : "a step is wrong");
}

void explain_convolutions(const Options& options, Index batch, int runs) {
    nn::Sequential net{nn::Conv2d(1, 128, 5, nn::same),
                       relu,
                       nn::MaxPool2d(2),
                       nn::Conv2d(128, 64, 3, nn::same),
                       relu,
                       nn::MaxPool2d(2),
                       nn::Flatten(),
                       nn::Linear(3136, 128),
                       relu,
                       nn::Dropout(0.5),
                       nn::Linear(128, 47)};
    const Variable x(random::uniform({batch, 1, 28, 28}, 0, 1, random::generator()));
    IntArray labels = IntArray::from_shape({static_cast<std::size_t>(batch)});
    for (auto& label : labels) label = static_cast<std::int64_t>(random::generator().below(47));
    {
        inspect::Names names;
        names("x", x)(net.named_parameters());
        const Variable loss = nn::cross_entropy(net(x), labels);
        show("The network of convolutions as a table", to_string(inspect::table(loss, names)));
        inspect::draw(loss, options.curves("convolutions"), names);
    }
    inspect::Bill bill;
    bill([&] { nn::cross_entropy(net(x), labels).backward(); }, runs);
    show("The bill of one of its training steps, without the optimiser's", bill.table());
}

int main(int argc, char** argv) {
    Options options("Shows tapes as tables, pictures, derivations and bills.", "inspect-tape-output");
    Index batch = 512;
    int runs = 5;
    options.option("--batch", batch, "images of the training step that is priced")->check(CLI::PositiveNumber);
    options.option("--runs", runs, "of it; times are medians")->check(CLI::PositiveNumber);

    return options.run(argc, argv, [&] {
        explain_two_layers(options);
        explain_convolutions(options, batch, runs);
        return true;
    });
}

// What a user of xtape writes for one model and a training step.
#include <iostream>

#include <xtape/xtape.hpp>

using namespace xtape;

int main() {
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
    optim::Adam adam(net.parameters(), 1e-3);
    Variable x = xt::random::randn<float>({8, 1, 28, 28});
    IntArray labels = xt::arange<std::int64_t>(8);
    for (int step = 0; step < 3; ++step) {
        Variable loss = nn::cross_entropy(net(x), labels);
        adam.zero_grad();
        loss.backward();
        adam.step();
        std::cout << loss.item() << "\n";
    }
}

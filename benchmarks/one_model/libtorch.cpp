// What a user of libtorch writes for one model and a training step.
#include <iostream>

#include <torch/torch.h>

namespace nn = torch::nn;

int main() {
    nn::Sequential net(nn::Conv2d(nn::Conv2dOptions(1, 128, 5).padding(2)), nn::ReLU(), nn::MaxPool2d(2),
                       nn::Conv2d(nn::Conv2dOptions(128, 64, 3).padding(1)), nn::ReLU(), nn::MaxPool2d(2),
                       nn::Flatten(), nn::Linear(3136, 128), nn::ReLU(), nn::Dropout(0.5), nn::Linear(128, 47));
    torch::optim::Adam adam(net->parameters(), torch::optim::AdamOptions(1e-3));
    torch::Tensor x = torch::randn({8, 1, 28, 28});
    torch::Tensor labels = torch::arange(8);
    for (int step = 0; step < 3; ++step) {
        torch::Tensor loss = nn::functional::cross_entropy(net->forward(x), labels);
        adam.zero_grad();
        loss.backward();
        adam.step();
        std::cout << loss.item<float>() << "\n";
    }
}

// The perceptron of the README, as a user's program: 100 points in two clouds, a few steps downhill.
#include <cstdio>

#include <xtape/xtape.hpp>
#include <xtensor/xview.hpp>

int main() {
    using namespace xtape;

    xt::xarray<float> points = xt::random::randn<float>({100, 2});
    xt::xarray<float> labels = xt::zeros<float>({100, 1});
    xt::view(points, xt::range(50, 100)) += 3;
    xt::view(labels, xt::range(50, 100)) = 1;

    Variable X = points, y = labels;
    Parameter W = xt::zeros<float>({2, 1}), b = xt::zeros<float>({1});
    double first = 0, last = 0;
    for (int i = 0; i < 100; ++i) {
        Variable a = sigmoid(matmul(X, W) + b);
        Variable loss = -mean(y * log(a) + (1 - y) * log(1 - a));
        auto [dW, db] = grad(loss, W, b);
        W -= 0.1 * dW;
        b -= 0.1 * db;
        last = loss.item();
        if (i == 0) first = last;
    }
    std::printf("loss: %.4f at first, %.4f after 100 steps\n", first, last);
    return last < first ? 0 : 1;
}

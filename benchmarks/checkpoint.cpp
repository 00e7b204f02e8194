// What a checkpoint saves and what it costs: a step of a 50-layer perceptron, as it is and in segments that are computed
// again, in turn. There is no peer: the ratios are those of xtape with itself.
//
//     bench_checkpoint [WIDTH BATCH SEGMENTS ROUNDS]
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fmt/core.h>

#include <xtape/xtape.hpp>

using namespace xtape;

namespace {

struct Step {
    std::vector<double> milliseconds;
    std::size_t peak = 0, before = 0;  // bytes
    std::vector<Array> gradients;

    double median() {
        std::sort(milliseconds.begin(), milliseconds.end());
        return milliseconds[milliseconds.size() / 2];
    }
    double own_peak() const { return static_cast<double>(peak - before); }
};

template <class Net>
void run(Step& step, nn::Sequential& net, const Net& call) {
    net.zero_grad();
    step.gradients.clear();
    step.before = storage::stats().live_bytes;
    storage::reset_peak();
    const auto begin = std::chrono::steady_clock::now();
    mean(square(call())).backward();
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
    step.milliseconds.push_back(taken.count());
    step.peak = storage::stats().peak_bytes;
    for (const ParameterRef& parameter : net.parameters()) step.gradients.push_back(parameter.grad());
}

bool same_bits(const std::vector<Array>& a, const std::vector<Array>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Array& x, const Array& y) {
        return std::memcmp(x.data<float>(), y.data<float>(), static_cast<std::size_t>(x.size()) * sizeof(float)) == 0;
    });
}

}  // namespace

int main(int argc, char** argv) {
    const auto argument = [&](int i, Index usual) {
        return argc > i ? static_cast<Index>(std::atoll(argv[i])) : usual;
    };
    const Index width = argument(1, 128), batch = argument(2, 8192), segments = argument(3, 8),
                rounds = std::max<Index>(argument(4, 7), 1);
    random::seed(0);
    nn::Sequential net;
    for (int layer = 0; layer < 50; ++layer) {
        net.push_back(nn::Linear(width, width));
        net.push_back(tanh);
    }
    const Variable x(random::normal({batch, width}, 0, 1, random::generator()));
    Step whole, parts;
    for (Index round = -1; round < rounds; ++round) {
        if (round == 0) whole.milliseconds.clear(), parts.milliseconds.clear();  // what came before warmed up
        run(whole, net, [&] { return net(x); });
        const std::vector<Array> gradients = whole.gradients;
        whole.gradients.clear();
        run(parts, net, [&] { return nn::checkpoint_sequential(net, segments, x); });
        if (!same_bits(gradients, parts.gradients)) {
            fmt::print("the gradients differ\n");
            return 1;
        }
        parts.gradients.clear();
    }
    fmt::print("50 layers of {}, batch {}, {} segments, gradients bit-equal\n", width, batch, segments);
    fmt::print("peak of a step beyond what was there: {:.1f} MB, in segments {:.1f} MB: {:.2f} times less\n",
               whole.own_peak() / 1e6, parts.own_peak() / 1e6, whole.own_peak() / parts.own_peak());
    fmt::print("time: {:.1f} ms, in segments {:.1f} ms: {:.2f} times as long\n", whole.median(), parts.median(),
               parts.median() / whole.median());
}

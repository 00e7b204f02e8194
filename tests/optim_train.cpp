#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/optim/adam.hpp>
#include <xtape/optim/train.hpp>

using namespace xtape;

namespace {

using Losses = std::vector<double>;

optim::FitOptions silent(Index epochs) {
    optim::FitOptions options;
    options.epochs = epochs;
    options.out = nullptr;
    return options;
}

/// A validation whose losses are given, one for each epoch.
std::function<optim::Score()> validation(const Losses& losses) {
    return [losses, epoch = std::size_t{0}]() mutable { return optim::Score{losses.at(epoch++), 0.5, 10}; };
}

optim::Score constant_score(int) { return {1, 0.5, 1}; }

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

bool begins_with(const std::string& text, const std::string& begin) {
    return text.compare(0, begin.size(), begin) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(optim_train)

BOOST_AUTO_TEST_CASE(means_are_weighted_by_samples) {
    const std::vector<int> batches{3, 1};
    Index steps = 0;
    const auto history = optim::fit(silent(2), batches, [&](int samples) {
        ++steps;
        return optim::Score{samples == 3 ? 1.0 : 5.0, samples == 3 ? 0.5 : 0.9, samples};
    });
    BOOST_TEST(steps == 4);
    BOOST_REQUIRE(history.epochs.size() == 2u);
    BOOST_TEST(std::abs(history.epochs[1].loss - 2) < 1e-14);      // (3 * 1 + 1 * 5) / 4
    BOOST_TEST(std::abs(history.epochs[1].metric - 0.6) < 1e-14);  // (3 * 0.5 + 1 * 0.9) / 4
    BOOST_TEST(std::isnan(history.epochs[0].validation_loss));
    BOOST_TEST(history.epochs[1].number == 2);

    const optim::Score score = optim::evaluate(batches, [](int samples) {
        BOOST_TEST(!recording());
        return optim::Score{static_cast<double>(samples), 0, samples};
    });
    BOOST_TEST(std::abs(score.loss - 2.5) < 1e-14);
    BOOST_TEST(score.samples == 4);
}

BOOST_AUTO_TEST_CASE(early_stopping) {
    auto options = silent(20);
    options.patience = 3;
    options.validate = validation({5, 4, 3, 3, 3.5, 2.9, 4, 4, 4, 1});
    const auto history = optim::fit(options, std::vector<int>{1}, constant_score);
    BOOST_TEST(history.stopped_early);
    BOOST_TEST(history.best == 6);
    BOOST_TEST(history.epochs.size() == 9u);
}

BOOST_AUTO_TEST_CASE(watching_the_metric) {
    auto options = silent(5);
    options.watch = optim::Watch::metric;
    const std::vector<double> metrics{0.5, 0.7, 0.9, 0.8, 0.6};
    std::size_t epoch = 0;
    options.validate = [&] { return optim::Score{1, metrics[epoch++], 1}; };
    BOOST_TEST(optim::fit(options, std::vector<int>{1}, constant_score).best == 3);
    options.metric_better = optim::Better::lower;
    epoch = 0;
    BOOST_TEST(optim::fit(options, std::vector<int>{1}, constant_score).best == 1);
    options.validate = nullptr;  // then the training's
    BOOST_TEST(optim::fit(options, std::vector<int>{1}, constant_score).best == 1);
}

BOOST_AUTO_TEST_CASE(best_weights_come_back) {
    Parameter w(Array::scalar(0, float64));
    Array running = Array::scalar(0, float64);
    auto options = silent(5);
    options.validate = validation({5, 3, 1, 2, 4});
    options.snapshot = optim::snapshot_of({w}, {&running});
    const auto history = optim::fit(options, std::vector<int>{0, 1}, [&](int) {
        ParameterRef(w).writable().mutable_data<double>()[0] += 1;  // in place, as optimisers do
        running = Array::scalar(w.item() * 10, float64);
        return optim::Score{1};
    });
    BOOST_TEST(history.best == 3);
    BOOST_TEST(w.item() == 6);
    BOOST_TEST(running.at(0) == 60);

    options.validate = validation({5, 4, 3, 2, 1});  // the last is the best: nothing to restore
    optim::fit(options, std::vector<int>{0}, [&](int) {
        ParameterRef(w).writable().mutable_data<double>()[0] += 1;
        return optim::Score{1};
    });
    BOOST_TEST(w.item() == 11);
}

BOOST_AUTO_TEST_CASE(csv) {
    Parameter w(Array::scalar(0, float32));
    optim::Adam optimizer({w}, 0.25);
    auto options = silent(2);
    options.metric = "top, 1";
    options.optimizer = &optimizer;
    options.validate = validation({0.5, 0.125});
    options.after_epoch = [&](const optim::Epoch& epoch) {
        optimizer.learning_rate(0.25 / static_cast<double>(epoch.number + 1));
    };
    auto history = optim::fit(options, std::vector<int>{1}, constant_score);
    history.epochs[0].seconds = 1.5;
    history.epochs[1].seconds = 0.0625;
    history.epochs[1].validation_metric = NAN;
    BOOST_TEST(history.csv() == "epoch,loss,\"top, 1\",val_loss,\"val_top, 1\",learning_rate,seconds\n"
                                "1,1,0.5,0.5,0.5,0.25,1.500\n"
                                "2,1,0.5,0.125,,0.125,0.062\n");
    BOOST_CHECK_THROW(history.write_csv("/dev/null/history.csv"), DataError);

    history.period = "iteration";
    history.held_out = "test, set";
    BOOST_TEST(
        begins_with(history.csv(),
                    "iteration,loss,\"top, 1\",\"test, set_loss\",\"test, set_top, 1\",learning_rate,seconds\n1,1,"));
}

BOOST_AUTO_TEST_CASE(plain_lines) {
    std::ostringstream out;
    optim::FitOptions options;
    options.epochs = 2;
    options.out = &out;
    options.line_seconds = 0;
    options.validate = validation({0.2211, 0.3});
    options.snapshot = optim::snapshot_of({});
    optim::fit(options, std::vector<int>{1, 2, 3}, [](int) { return optim::Score{0.2345, 0.9123, 64}; });
    const auto lines = lines_of(out.str());
    BOOST_REQUIRE(lines.size() == 7u);  // two batches and the end, twice; and what was restored
    BOOST_TEST(begins_with(lines[0], "epoch 1/2  batch 1/3  loss 0.2345  accuracy 0.9123  "), lines[0]);
    BOOST_TEST((lines[0].find(" images/s  ETA ") != std::string::npos), lines[0]);
    BOOST_TEST(begins_with(lines[1], "epoch 1/2  batch 2/3  "), lines[1]);
    BOOST_TEST(
        begins_with(lines[2], "epoch 1/2  loss 0.2345  accuracy 0.9123  val loss 0.2211  val accuracy 0.5000  0."),
        lines[2]);
    BOOST_TEST(lines[2].substr(lines[2].size() - 2) == " s");
    BOOST_TEST(lines[6] == "weights of epoch 1 restored: val loss 0.2211");
    BOOST_TEST(out.str().find('\r') == std::string::npos);

    out.str("");
    options = {};
    options.epochs = 1;
    options.out = &out;
    options.line_seconds = 1000;
    optim::fit(options, std::vector<int>{1, 2}, [](int) { return optim::Score{1e-7}; });
    BOOST_TEST(begins_with(out.str(), "epoch 1/1  loss 1.000e-07  0."),
               out.str());  // no metric, no validation, no batch lines
}

BOOST_AUTO_TEST_CASE(another_held_out_set) {
    std::ostringstream out;
    optim::FitOptions options;
    options.epochs = 2;
    options.out = &out;
    options.line_seconds = 1000;
    options.held_out = "test";
    options.validate = validation({0.25, 0.5});
    options.snapshot = optim::snapshot_of({});
    const auto history = optim::fit(options, std::vector<int>{1}, constant_score);
    BOOST_TEST(history.held_out == "test");
    BOOST_TEST(history.period == "epoch");
    const auto lines = lines_of(out.str());
    BOOST_REQUIRE(lines.size() == 3u);
    BOOST_TEST(
        begins_with(lines[0], "epoch 1/2  loss 1.0000  accuracy 0.5000  test loss 0.2500  test accuracy 0.5000  0."),
        lines[0]);
    BOOST_TEST(lines[2] == "weights of epoch 1 restored: test loss 0.2500");
}

BOOST_AUTO_TEST_CASE(history_of_a_loop_of_ones_own) {
    optim::History history;
    history.period = "iteration";
    history.held_out = "test";
    BOOST_TEST(history.text().empty());
    for (int i = 1; i <= 10; ++i) history.add({1.0 / i, 0.5}, {2.0 / i, 0.25}, 0.125);
    BOOST_TEST(history.epochs[9].number == 10);
    BOOST_TEST(history.epochs[9].learning_rate == 0.125);
    BOOST_TEST(history.text(3) ==
               "iteration  1  loss 1.0000  accuracy 0.5000  test loss 2.0000  test accuracy 0.2500\n"
               "iteration  3  loss 0.3333  accuracy 0.5000  test loss 0.6667  test accuracy 0.2500\n"
               "iteration  6  loss 0.1667  accuracy 0.5000  test loss 0.3333  test accuracy 0.2500\n"
               "iteration  9  loss 0.1111  accuracy 0.5000  test loss 0.2222  test accuracy 0.2500\n"
               "iteration 10  loss 0.1000  accuracy 0.5000  test loss 0.2000  test accuracy 0.2500\n");
    BOOST_CHECK_THROW(history.text(0), ValueError);

    optim::History bare;
    bare.add({0.5});
    bare.add({0.25});
    BOOST_TEST(bare.text() == "epoch 1  loss 0.5000\nepoch 2  loss 0.2500\n");
    BOOST_TEST(std::isnan(bare.epochs[1].validation_loss));
}

BOOST_AUTO_TEST_CASE(terminal_line) {
    std::ostringstream out;
    optim::FitOptions options;
    options.epochs = 1;
    options.out = &out;
    options.terminal = true;
    options.unit = "points";
    optim::fit(options, std::vector<int>{1, 2}, constant_score);
    BOOST_TEST(begins_with(out.str(), "\repoch 1/1 ["), out.str());
    BOOST_TEST((out.str().find("] 2/2  loss 1.0000") != std::string::npos), out.str());
    const std::string end = out.str().substr(out.str().rfind('\r'));
    BOOST_TEST(begins_with(end, "\r\x1b[Kepoch 1/1  loss 1.0000  accuracy 0.5000  "));
}

BOOST_AUTO_TEST_CASE(loss_that_is_not_finite) {
    Index steps = 0;
    const auto step = [&](int) { return optim::Score{++steps == 5 ? NAN : 1.0}; };
    BOOST_CHECK_EXCEPTION(optim::fit(silent(3), std::vector<int>{1, 2, 3}, step), Error, [](const Error& e) {
        const std::string text = e.what();
        return text.find("the loss is nan in epoch 2, batch 2 of 3") != std::string::npos &&
               text.find("optim_train.cpp") != std::string::npos;
    });
    BOOST_TEST(steps == 5);
    BOOST_CHECK_THROW(optim::fit(silent(1), std::vector<int>{1}, [](int) { return optim::Score{-INFINITY}; }), Error);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    BOOST_CHECK_THROW(optim::fit(silent(-1), std::vector<int>{1}, constant_score), ValueError);
    BOOST_CHECK_THROW(optim::fit(silent(1), std::vector<int>{}, constant_score), ValueError);
    BOOST_CHECK_THROW(optim::fit(silent(1), std::vector<int>{1},
                                 [](int) {
                                     return optim::Score{1, 1, 0};
                                 }),
                      ValueError);
    BOOST_CHECK_THROW(optim::evaluate(std::vector<int>{}, constant_score), ValueError);
    auto options = silent(1);
    options.patience = -1;
    BOOST_CHECK_THROW(optim::fit(options, std::vector<int>{1}, constant_score), ValueError);
    options = silent(1);
    options.watch = optim::Watch::metric;
    BOOST_CHECK_THROW(optim::fit(options, std::vector<int>{1}, [](int) { return optim::Score{1}; }), ValueError);
    BOOST_TEST(optim::fit(silent(0), std::vector<int>{1}, constant_score).epochs.empty());
}

BOOST_AUTO_TEST_SUITE_END()

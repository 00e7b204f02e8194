#include <xtape/xtape.hpp>

#include <algorithm>
#include <map>
#include <string>

#include <boost/test/unit_test.hpp>

#include "catalogue.hpp"

/// The tape as a table: what each operation keeps alive, worked out by hand.
using namespace xtape;

namespace {

Variable ones(const Shape& shape) { return Variable(Array::filled(shape, float32, 1)); }

/// Bytes kept by each operation, by name; names occur once.
std::map<std::string, std::size_t> kept_by(const inspect::Table& table) {
    std::map<std::string, std::size_t> kept;
    for (const inspect::Row& row : table.rows)
        if (row.operation != "parameter") kept[row.operation] += row.kept;
    return kept;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(inspect_table)

BOOST_AUTO_TEST_CASE(a_layer) {
    const Variable X = ones({5, 3});
    const Parameter W(ones({3, 4})), b(ones({4}));
    const Variable z = matmul(X, W) + b;
    const int line = __LINE__ - 1;
    const Variable loss = sum(tanh(z));
    inspect::Names names;
    names("X", X)("W", W)("z", z);

    const inspect::Table table = inspect::table(loss, names);
    BOOST_REQUIRE(table.rows.size() == 6U);
    BOOST_TEST(table.rows[0].operation == "parameter");
    BOOST_TEST(table.rows[0].name == "W");
    BOOST_TEST(table.rows[0].kept == 3U * 4 * 4);
    BOOST_TEST(table.rows[1].kept == 4U * 4);
    BOOST_TEST(table.rows[2].operation == "matmul");
    BOOST_TEST(table.rows[2].kept == 5U * 3 * 4);  // X, for W's gradient; X has none, so W need not be there
    BOOST_TEST((table.rows[2].shape == Shape{5, 4}));
    BOOST_TEST(table.rows[2].where.line == line);
    BOOST_TEST(!table.rows[2].arguments[0].row.has_value());
    BOOST_TEST(table.rows[2].arguments[0].constant == "X");
    BOOST_TEST(table.rows[2].arguments[1].row.value() == 0U);
    BOOST_TEST(table.rows[3].operation == "add");
    BOOST_TEST(table.rows[3].name == "z");
    BOOST_TEST(table.rows[3].kept == 0U);
    BOOST_TEST(table.rows[3].arguments[0].row.value() == 2U);
    BOOST_TEST(table.rows[3].arguments[1].row.value() == 1U);
    BOOST_TEST(table.rows[4].kept == 5U * 4 * 4);  // tanh keeps its result
    BOOST_TEST(table.rows[5].kept == 0U);
    BOOST_TEST(table.parameter_bytes == 64U);
    BOOST_TEST(table.kept_bytes == 140U);
    BOOST_TEST(table.silent_rules == 0U);

    const std::string text = to_string(table);
    BOOST_TEST(text.find("inspect_table.cpp:" + std::to_string(line)) != std::string::npos);
    BOOST_TEST(text.find("parameters 64 B, kept for the way back 140 B") != std::string::npos);
    loss.backward();
    BOOST_TEST(inspect::table(loss).kept_bytes == 0U);  // freed
}

BOOST_AUTO_TEST_CASE(an_array_counts_once) {
    const Parameter x(ones({10}));
    const Variable y = x + x;
    const Variable first = sum(sin(y));
    const Variable loss = first + sum(cos(reshape(y, {2, 5})));
    const auto kept = kept_by(inspect::table(loss));
    BOOST_TEST(kept.at("sin") == 40U);
    BOOST_TEST(kept.at("cos") == 0U);  // the same elements under another shape
    BOOST_TEST(kept.at("reshape") == 0U);
    const auto squared = kept_by(inspect::table(sum(square(x))));
    BOOST_TEST(squared.at("square") == 0U);  // the parameter's own array
}

BOOST_AUTO_TEST_CASE(what_rules_captured) {
    const Parameter x(random::normal({2, 3, 8, 8}, 0, 1, random::generator()));
    BOOST_TEST(kept_by(inspect::table(sum(max_pool2d(x, 2)))).at("max_pool2d") == 2U * 3 * 4 * 4);  // a byte each

    const Variable image(random::normal({2, 3, 8, 8}, 0, 1, random::generator()));
    const Parameter w(ones({4, 3, 3, 3})), b(ones({4}));
    const Variable block = conv2d_relu_max_pool2d(image, w, b, 1, same);
    BOOST_TEST(kept_by(inspect::table(sum(block))).at("conv2d_relu_max_pool2d") == 2U * 3 * 64 * 4 + 2U * 4 * 4 * 4);

    const Parameter p(ones({6}));
    const Variable mask = ones({6});
    BOOST_TEST(kept_by(inspect::table(sum(p * mask))).at("multiply") == 24U);
    BOOST_TEST(kept_by(inspect::table(sum(p / mask))).at("divide") == 24U);
    BOOST_TEST(kept_by(inspect::table(sum(mask / p))).at("divide") == 24U);  // the quotient; p is the parameter's
    BOOST_TEST(kept_by(inspect::table(sum(where(mask, p, 2 * p)))).at("where") == 24U);
}

BOOST_AUTO_TEST_CASE(what_checkpoints_captured_is_not_told) {
    const Parameter x(ones({6}));
    const Variable captured = ones({1000});
    const Variable y = checkpoint([captured](const Variable& v) { return v * sum(captured); }, 2 * x);
    const inspect::Table table = inspect::table(sum(y));
    BOOST_TEST(table.silent_rules == 1U);
    BOOST_TEST(to_string(table).find("and what 1 rules do not tell") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(every_operation_says_what_it_keeps) {
    using namespace catalogue;
    for (const auto family :
         {elementwise, arithmetic, reductions, movement, linear_algebra, indexing, normalization, windows})
        for (const Sample& sample : family()) BOOST_TEST_CONTEXT(sample.name()) {
                Inputs inputs;
                for (const Variable& x : sample.inputs) inputs.push_back(Parameter(x.array()).variable());
                Variable y = sample.call(inputs);
                if (!y.requires_grad()) continue;
                const inspect::Table table = inspect::table(y);
                BOOST_TEST(table.silent_rules == 0U);
                if (!sample.large) continue;
                // What is really given back when the tape is freed is no more than what was counted, but for headers.
                const NodePtr last = y.node();
                const Tape tape(y);
                y = {};
                const std::size_t before = storage::stats().live_bytes;
                for (Node* node : tape.nodes()) node->free();
                std::size_t arrays = 0;
                for (Node* node : tape.nodes())
                    for (std::size_t p = 0; p < node->arity(); ++p) {
                        node->arguments()[p] = Variable(Array(), node->arguments()[p].node());
                        ++arrays;
                    }
                const std::size_t given_back = before - storage::stats().live_bytes;
                BOOST_TEST(given_back <= table.kept_bytes * 9 / 8 + 4096 * (arrays + tape.size()));
            }
}

BOOST_AUTO_TEST_CASE(refuses) {
    BOOST_CHECK_THROW(inspect::table(ones({2})), TapeError);
    inspect::Names names;
    BOOST_CHECK_THROW(names("", ones({2})), ValueError);
    BOOST_CHECK_THROW(names("x", Variable()), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()

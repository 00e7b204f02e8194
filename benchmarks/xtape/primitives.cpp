// Single array operations, without a tape.
#include <memory>

#include "rows.hpp"

using namespace xtape;

namespace bench {
namespace {

using Operation = Variable (*)(Variable x, const Variable& other);

struct Primitive {
    Shape shape;
    Operation operation;
    Shape other = {};  ///< of the second operand, where there is one
};

/// Named as NumPy would write them.
const std::map<std::string, Primitive> primitives = {
    {"(100352, 64) sum 0", {{100352, 64}, [](Variable x, const Variable&) { return sum(x, {0}); }}},
    {"(100352, 64) sum 1", {{100352, 64}, [](Variable x, const Variable&) { return sum(x, {1}); }}},
    {"(100352, 64) sum all", {{100352, 64}, [](Variable x, const Variable&) { return sum(x); }}},
    {"(512, 128, 28, 28) sum 0", {{512, 128, 28, 28}, [](Variable x, const Variable&) { return sum(x, {0}); }}},
    {"(512, 128, 28, 28) sum 3", {{512, 128, 28, 28}, [](Variable x, const Variable&) { return sum(x, {3}); }}},
    {"(512, 128, 28, 28) sum 0, 2, 3",
     {{512, 128, 28, 28},
      [](Variable x, const Variable&) {
          return sum(x, {0, 2, 3});
      }}},
    {"(512, 128, 28, 28) + (128, 1, 1)",
     {{512, 128, 28, 28}, [](Variable x, const Variable& b) { return x + b; }, {128, 1, 1}}},
    {"(1000, 1000) + (1000, 1)", {{1000, 1000}, [](Variable x, const Variable& b) { return x + b; }, {1000, 1}}},
    {"(1000, 1000) + (1, 1000)", {{1000, 1000}, [](Variable x, const Variable& b) { return x + b; }, {1, 1000}}},
    {"transpose (1000, 1000)", {{1000, 1000}, [](Variable x, const Variable&) { return transpose(x); }}},
    {"(512, 128, 28, 28) to NHWC",
     {{512, 128, 28, 28},
      [](Variable x, const Variable&) {
          return permute(x, {0, 2, 3, 1});
      }}},
    {"(512, 28, 28, 128) to NCHW",
     {{512, 28, 28, 128},
      [](Variable x, const Variable&) {
          return permute(x, {0, 3, 1, 2});
      }}},
};

Run in_place() {
    const auto x = std::make_shared<Variable>(array(1, {512, 128, 28, 28}));
    const Variable b = array(2, {128, 1, 1});
    const auto add = [x, b] {
        const NoGrad constant;
        *x = std::move(*x) + b;
    };
    add();
    output("result", x->array());
    return add;
}

}  // namespace

void add_primitives(Rows& rows) {
    rows["array_primitives"] = [](const std::string& which) -> Run {
        if (which == "(512, 128, 28, 28) += (128, 1, 1)") return in_place();
        const Primitive& primitive = primitives.at(which);
        const Variable x = array(1, primitive.shape), other = array(2, primitive.other);
        const auto run = [operation = primitive.operation, x, other] {
            const NoGrad constant;
            return operation(x, other);
        };
        output("result", run().array());
        return [run] { run(); };
    };
    rows["sgemm"] = [](const std::string&) -> Run {
        const Variable a = array(1, {1152, 1152}), b = array(2, {1152, 1152});
        return [a, b] { matmul(a, b); };
    };
}

}  // namespace bench

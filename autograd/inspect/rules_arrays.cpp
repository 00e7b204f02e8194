#include <xtape/autograd/inspect/rules_table.hpp>
#include <xtape/autograd/ops.hpp>

namespace xtape::inspect::detail {

namespace {

using S = const Step&;

/// A form in plain text and in LaTeX, with no value of its own.
Expression form(const std::string& text, const std::string& latex, std::vector<Expression> parts) {
    return call(text, latex, std::move(parts), {});
}

/// For LaTeX: upright, with its blanks and underscores.
std::string upright(const std::string& name) {
    std::string text;
    for (const char c : name) text += c == ' ' ? "\\ " : c == '_' ? "\\_" : std::string(1, c);
    return "\\mathrm{" + text + "}";
}

/// name(x).
Expression named(const std::string& name, const Expression& x) {
    return form(name + "({})", upright(name) + "({})", {x});
}

/// Elements that go elsewhere: y = there(x), dx = back(g).
auto moved(const std::string& there, const std::string& back) {
    return [=](S s) {
        Written result{nullptr, {}};
        std::string text = there + "(", latex = upright(there) + "(";
        for (std::size_t p = 0; p < s.x.size(); ++p) {
            text += p ? ", {}" : "{}";
            latex += p ? ", {}" : "{}";
            result.gradients.push_back(by_rule(s, p, named(back, s.g)));
        }
        result.value = form(text + ")", latex + ")", s.x);
        return result;
    };
}

/// Sums to the argument's shape where a batch was broadcast.
Expression fitted(S s, std::size_t p, const Expression& gradient) {
    return s.node.shape.rank() == s.shapes[p].rank() ? gradient : form("Σ {}", "\\sum {}", {gradient});
}

Written matrix_product(S s) {
    return {product(s.x[0], s.x[1]),
            {by_rule_unless_plain(s, 0, fitted(s, 0, product(s.g, transposed(s.x[1])))),
             by_rule_unless_plain(s, 1, fitted(s, 1, product(transposed(s.x[0]), s.g)))}};
}

Written affine(S s) {
    return {
        product(s.x[0], s.x[1]) + s.x[2],
        {product(s.g, transposed(s.x[1])), product(transposed(s.x[0]), s.g), summed(s.g, s.node.shape, s.shapes[2])}};
}

Written affine_sigmoid(S s) {
    Step inner = s;
    inner.g = s.g * s.y * (number(1) - s.y);
    Written result = affine(inner);
    result.value = form("σ({})", "\\sigma({})", {result.value});
    return result;
}

Expression correlation(const Expression& a, const Expression& b) { return form("({} ⋆ {})", "({} \\star {})", {a, b}); }
Expression convolution(const Expression& a, const Expression& b) { return form("({} * {})", "({} * {})", {a, b}); }

/// x (N, C, H, W) with the filters w: what deep learning calls convolution.
Written correlated(S s) {
    Written result{correlation(s.x[0], s.x[1]),
                   {by_rule(s, 0, convolution(s.g, s.x[1])), by_rule(s, 1, correlation(s.x[0], s.g))}};
    if (s.x.size() == 3) {
        result.value = result.value + s.x[2];
        result.gradients.push_back(by_rule(s, 2, form("Σ {}", "\\sum {}", {s.g})));
    }
    return result;
}

Written correlated_block(S s) {
    Step inner = s;
    inner.g = named("unpool", s.g);
    Written result = correlated(inner);
    result.value = form("maxpool(max({}, 0))", "\\mathrm{maxpool}(\\max({}, 0))", {result.value});
    for (std::size_t p = 0; p < s.x.size(); ++p) result.gradients[p] = by_rule(s, p, result.gradients[p]->parts[0]);
    return result;
}

/// g back to the shape of what was summed.
Expression spread_back(S s, const Expression& g) {
    const Expression printed = spread(g, s.shapes[0]);
    return spreads_in_one_way(s.node.shape, s.shapes[0]) ? printed : by_rule(s, 0, printed);
}

Written mean_of(S s) {
    const double count = static_cast<double>(s.shapes[0].count()) / static_cast<double>(s.node.shape.count());
    return {named("mean", s.x[0]), {spread_back(s, s.g / number(count))}};
}

Written softmax_of(S s) {
    return {named("softmax", s.x[0]),
            {by_rule(s, 0, s.y * (s.g - form("Σ ({})", "\\sum \\left({}\\right)", {s.g * s.y})))}};
}

Written log_softmax_of(S s) {
    const Expression all = form("Σ {}", "\\sum {}", {s.g});
    return {form("log softmax({})", "\\log \\mathrm{softmax}({})", {s.x[0]}),
            {by_rule(s, 0, s.g - form("exp({})", "e^{{}}", {s.y}) * all)}};
}

Written cross_entropy(S s) {
    const Expression target = symbol("onehot", "\\mathrm{onehot}", {});
    return {form("−log softmax({})[labels]", "-\\log \\mathrm{softmax}({})_{\\mathrm{labels}}", {s.x[0]}),
            {by_rule(s, 0, s.g * (named("softmax", s.x[0]) - target))}};
}

}  // namespace

Expression by_rule_unless_plain(const Step& s, std::size_t p, const Expression& printed) {
    const bool plain = s.node.shape.rank() == 2 && s.shapes[0].rank() == 2 && s.shapes[1].rank() == 2;
    return plain ? printed : by_rule(s, p, printed);
}

void add_arrays(WrittenOperations& t) {
    for (const char* name : {"matmul", "dot", "outer"}) t[name] = matrix_product;
    t["linear"] = affine;
    t["linear_sigmoid"] = affine_sigmoid;
    t["sum"] = [](S s) { return Written{named("sum", s.x[0]), {spread_back(s, s.g)}}; };
    t["mean"] = mean_of;
    t["var"] = [](S s) {
        const Expression deviation = s.x[0] - named("mean", s.x[0]);
        return Written{named("var", s.x[0]), {by_rule(s, 0, form("2/n {}", "\\frac{2}{n} {}", {s.g}) * deviation)}};
    };
    t["norm"] = [](S s) {
        return Written{form("‖{}‖", "\\left\\|{}\\right\\|", {s.x[0]}), {by_rule(s, 0, s.g * s.x[0] / s.y)}};
    };
    t["logsumexp"] = [](S s) {
        return Written{form("log Σ exp({})", "\\log \\sum e^{{}}", {s.x[0]}),
                       {by_rule(s, 0, s.g * form("exp({})", "e^{{}}", {s.x[0] - s.y}))}};
    };
    t["softmax"] = softmax_of;
    t["log_softmax"] = log_softmax_of;
    t["softmax_cross_entropy"] = cross_entropy;
    t["cumsum"] = moved("cumsum", "cumsum backwards");
    for (const char* name : {"reshape", "flatten", "squeeze", "expand_dims"}) t[name] = moved(name, "reshape");
    t["transpose"] = [](S s) { return Written{transposed(s.x[0]), {by_rule(s, 0, transposed(s.g))}}; };
    t["permute"] = moved("permute", "permute back");
    t["broadcast_to"] = [](S s) {
        return Written{spread(s.x[0], s.node.shape), {summed(s.g, s.node.shape, s.shapes[0])}};
    };
    t["sum_to"] = [](S s) {
        return Written{summed(s.x[0], s.shapes[0], s.node.shape), {by_rule(s, 0, spread(s.g, s.shapes[0]))}};
    };
    t["slice"] = moved("slice", "place");
    t["pad"] = t["place"] = moved("place", "slice");
    t["concatenate"] = moved("concatenate", "part of");
    t["stack"] = moved("stack", "part of");
    t["flip"] = moved("flip", "flip");
    t["repeat"] = moved("repeat", "sum of copies");
    t["take"] = moved("take", "add at indices");
    t["index_add"] = moved("add at indices", "take");
    t["gather"] = moved("gather", "add at indices");
    t["scatter_add"] = [](S s) {
        return Written{form("scatter_add({}, {})", "\\mathrm{scatter\\_add}({}, {})", s.x),
                       {s.g, by_rule(s, 1, named("gather", s.g))}};
    };
    t["conv2d"] = t["correlate2d"] = correlated;
    t["convolve2d"] = [](S s) {  // the filters are flipped before, as an operation of their own
        return correlated(s);
    };
    t["conv_transpose2d"] = [](S s) {
        return Written{convolution(s.x[0], s.x[1]),
                       {by_rule(s, 0, correlation(s.g, s.x[1])), by_rule(s, 1, correlation(s.g, s.x[0]))}};
    };
    t["conv2d_relu_max_pool2d"] = correlated_block;
    t["max_pool2d"] = moved("maxpool", "unpool");
    t["avg_pool2d"] = moved("meanpool", "spread");
    t["unfold"] = moved("unfold", "fold");
    t["fold"] = moved("fold", "unfold");
}

const WrittenOperations& written_operations() {
    static const WrittenOperations table = [] {
        WrittenOperations all;
        add_elementwise(all);
        add_arrays(all);
        return all;
    }();
    return table;
}

}  // namespace xtape::inspect::detail

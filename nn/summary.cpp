#include <xtape/nn/summary.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <ostream>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <xtape/nn/calls.hpp>

namespace xtape::nn {

namespace {

/// Puts a module into eval mode, and every flag back afterwards.
class EvalScope {
public:
    explicit EvalScope(Module& module) {
        Flags flags;
        module.visit(flags);
        before_ = std::move(flags.found);
        module.eval();
    }
    ~EvalScope() {
        for (const auto& [flag, value] : before_) *flag = value;
    }
    EvalScope(const EvalScope&) = delete;
    EvalScope& operator=(const EvalScope&) = delete;

private:
    struct Flags : Visitor {
        std::vector<std::pair<bool*, bool>> found;
        void flag(const std::string&, bool& flag) override { found.emplace_back(&flag, flag); }
    };

    std::vector<std::pair<bool*, bool>> before_;
};

/// Where each module stands in the one that is summarised.
struct Names : Visitor {
    std::map<const Module*, std::string> found;
    void module(const std::string& name, Module& module) override {
        found.emplace(&module, name);
        descend(name, module);
    }
};

struct FirstDtype : Visitor {
    const Parameter* first = nullptr;
    void parameter(const std::string&, Parameter& parameter) override {
        if (!first) first = &parameter;
    }
};

std::string name_of_call(const Call& call, const std::map<const Module*, std::string>& names) {
    const auto name = [&](const Module* module) {
        const auto found = names.find(module);
        return found == names.end() ? std::string() : found->second;
    };
    if (!call.container) return name(call.layer);
    const std::string container = name(call.container);
    return container.empty() ? std::to_string(call.position) : fmt::format("{}.{}", container, call.position);
}

}  // namespace

Summary summarize(Module& module, const std::function<void()>& run) {
    Names names;
    names.found.emplace(&module, "");
    module.visit(names);
    CallLog log;
    {
        const EvalScope eval(module);
        const NoGrad constant;
        run();
    }
    Summary summary{{}, module.parameter_count()};
    std::set<const Module*> counted;
    for (const Call& call : log.calls) {
        // A layer that is none of the module's members may be gone by now.
        const bool first = names.found.count(call.layer) > 0 && counted.insert(call.layer).second;
        summary.rows.push_back(
            {name_of_call(call, names.found), call.text, call.output, first ? call.layer->parameter_count() : 0});
    }
    return summary;
}

Variable zero_input(const Module& module, const Shape& shape) {
    FirstDtype dtype;
    visit(module, dtype);
    return Array::filled(shape, dtype.first ? dtype.first->dtype() : float32, 0);
}

namespace {

/// 1234567 as 1,234,567.
std::string grouped(Index number) {
    std::string text = std::to_string(number);
    for (Index at = static_cast<Index>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

}  // namespace

std::string to_string(const Summary& summary) {
    std::vector<std::array<std::string, 4>> lines{{"name", "layer", "output", "parameters"}};
    Index in_layers = 0;
    for (const auto& row : summary.rows) {
        lines.push_back({row.name, row.layer, to_string(row.output), grouped(row.parameters)});
        in_layers += row.parameters;
    }
    if (summary.parameters != in_layers)
        lines.push_back({"", "(elsewhere)", "", grouped(summary.parameters - in_layers)});
    lines.push_back({"total", "", "", grouped(summary.parameters)});

    std::array<std::size_t, 4> widths{};
    for (const auto& line : lines)
        for (std::size_t i = 0; i < 4; ++i) widths[i] = std::max(widths[i], line[i].size());
    const std::string rule(widths[0] + widths[1] + widths[2] + widths[3] + 6, '-');

    std::string text;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i == 1 || i + 1 == lines.size()) text += rule + "\n";
        const auto& [name, layer, output, parameters] = lines[i];
        text += fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>{}}\n", name, widths[0], layer, widths[1], output, widths[2],
                            parameters, widths[3]);
    }
    return text;
}

std::ostream& operator<<(std::ostream& out, const Summary& summary) { return out << to_string(summary); }

}  // namespace xtape::nn

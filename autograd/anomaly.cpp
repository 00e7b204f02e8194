#include <xtape/autograd/anomaly.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xtape/autograd/kernels/finite.hpp>

namespace xtape {

namespace {

using Kind = Anomaly::Kind;

std::string text_of(const Anomaly::Step& step) {
    return step.where.line > 0 ? fmt::format("{} ({})", step.operation, to_string(step.where)) : step.operation;
}

/// It was recorded before anybody looked, and not kept.
bool is_unknown(const Anomaly::Numbers& n) { return n.count == 0 && n.shape.count() > 0; }

std::string headline(const Anomaly& found) {
    const std::string value = number_text(found.value), at = to_string(found.element);
    switch (found.kind) {
    case Kind::output:
        return fmt::format(
            "{}: its output is {} at {}, and what went into that is finite{}", found.operation, value, at,
            std::any_of(found.numbers.begin(), found.numbers.end(), is_unknown) ? " as far as it is known" : "");
    case Kind::gradient:
        if (found.argument == 0)
            return fmt::format("{}: in backward the gradient of what it goes around is {} at {}", found.operation,
                               value, at);
        return fmt::format("{}: in backward its rule for argument {} gives {} at {}, and the gradient it got is finite",
                           found.operation, found.argument, value, at);
    case Kind::sum:
        return fmt::format("{}: in backward the gradients that meet there add up to {} at {}, and each is finite",
                           found.operation, value, at);
    case Kind::input:
        break;
    }
    return found.argument == 0
               ? fmt::format("{} is {} at {} to begin with", found.operation, value, at)
               : fmt::format("{}: its argument {}, {}, is {} at {} to begin with", found.operation, found.argument,
                             found.numbers.empty() ? "an array" : found.numbers.front().origin, value, at);
}

std::string text_of(const Anomaly::Numbers& n) {
    std::string text = n.origin.empty() ? fmt::format("{} {}", n.role, to_string(n.shape))
                                        : fmt::format("{}, {} {}", n.role, n.origin, to_string(n.shape));
    if (n.count == 0) return text + (is_unknown(n) ? ": recorded before anybody looked, not kept" : "");
    if (n.element) return text + fmt::format(": {} at {}", number_text(n.value), to_string(*n.element));
    if (!n.part.empty()) text += ", " + n.part;
    if (n.non_finite < n.count) text += fmt::format(": from {} to {}", number_text(n.lowest), number_text(n.highest));
    if (n.non_finite > 0) text += fmt::format(", {} of {} not finite", n.non_finite, n.count);
    return text;
}

std::string text_of(const Anomaly::Instruction& inside) {
    std::string operands;
    for (const double operand : inside.operands) operands += (operands.empty() ? "" : ", ") + number_text(operand);
    return fmt::format("in it {} at {} gives {} for {}", inside.operation, to_string(inside.where),
                       number_text(inside.value), operands);
}

/// The steps, of a long path the first and the last few.
std::string text_of(const std::vector<Anomaly::Step>& path) {
    constexpr std::size_t first = 6, last = 3;
    std::string text;
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path.size() > first + last + 1 && i == first) {
            text += fmt::format(" > ... {} more", path.size() - first - last);
            i = path.size() - last;
        }
        text += (i == 0 ? "" : " > ") + text_of(path[i]);
    }
    return text;
}

}  // namespace

bool all_finite(const Array& x) { return kernels::first_non_finite(x) < 0; }

std::string number_text(double value) {
    return std::isnan(value) ? "nan" : fmt::format("{:.6g}", value);  // whose sign bit says nothing
}

std::string to_string(const Anomaly& found) {
    std::string text = headline(found);
    if (found.where.line > 0) text += "\n  recorded at " + to_string(found.where);
    if (found.inside) text += "\n  " + text_of(*found.inside);
    for (const Anomaly::Numbers& numbers : found.numbers) text += "\n  " + text_of(numbers);
    if (!found.path.empty())
        text += fmt::format("\n  path to the loss, {}: {}", number_text(found.loss), text_of(found.path));
    return text;
}

NonFiniteError::NonFiniteError(Anomaly found, const std::string& context)
    : Error(context + to_string(found)), found_(std::make_shared<const Anomaly>(std::move(found))) {}

}  // namespace xtape

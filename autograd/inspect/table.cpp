#include <ostream>

#include <fmt/format.h>

#include <xtape/autograd/inspect.hpp>
#include <xtape/autograd/inspect/text_columns.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape::inspect {

namespace {

std::vector<Argument> arguments_of(const Tape& tape, std::size_t i, const Names& names) {
    std::vector<Argument> arguments;
    for (std::size_t p = 0; p < tape.arity(i); ++p) {
        if (const std::uint32_t parent = tape.parents(i)[p]; parent != Tape::absent)
            arguments.push_back({parent, ""});
        else
            arguments.push_back({std::nullopt, names.of(tape.nodes()[i]->arguments()[p].array())});
    }
    return arguments;
}

std::string text_of(const std::vector<Argument>& arguments) {
    std::string text;
    for (const Argument& argument : arguments) {
        if (!text.empty()) text += ", ";
        text += argument.row                ? std::to_string(*argument.row)
                : argument.constant.empty() ? "constant"
                                            : argument.constant;
    }
    return text;
}

}  // namespace

Table table(const Variable& y, const Names& names, Where where) {
    if (!y.requires_grad()) throw TapeError("table: the value is a constant, nothing was recorded", where);
    const Tape tape(y);
    Table result{{}, 0, 0, 0};
    Kept kept;
    for (std::size_t i = 0; i < tape.size(); ++i) {
        const Node& node = *tape.nodes()[i];
        node.keep(kept);
        const auto part = names.part_of(node);
        result.rows.push_back({i, node.name, names.of(node), part ? part->label : "", node.shape, node.dtype,
                               kept.take(), node.where, arguments_of(tape, i, names)});
        (tape.is_leaf(i) ? result.parameter_bytes : result.kept_bytes) += result.rows.back().kept;
    }
    result.silent_rules = kept.silent();
    return result;
}

std::string to_string(const Table& table) {
    std::vector<std::vector<std::string>> lines{
        {"#", "operation", "name", "shape", "dtype", "kept", "arguments", "layer", "recorded at"}};
    for (const Row& row : table.rows)
        lines.push_back({std::to_string(row.number), row.operation, row.name, to_string(row.shape), name_of(row.dtype),
                         row.kept ? text::bytes_text(static_cast<double>(row.kept)) : "-", text_of(row.arguments),
                         row.layer, text::place_text(row.where)});
    std::string text = text::columns(lines, "><<<<><<<");
    text += fmt::format("parameters {}, kept for the way back {}",
                        text::bytes_text(static_cast<double>(table.parameter_bytes)),
                        text::bytes_text(static_cast<double>(table.kept_bytes)));
    if (table.silent_rules > 0) text += fmt::format(" and what {} rules do not tell", table.silent_rules);
    return text + "\n";
}

std::ostream& operator<<(std::ostream& out, const Table& table) { return out << to_string(table); }

}  // namespace xtape::inspect

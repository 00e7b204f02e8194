#include <algorithm>
#include <atomic>
#include <iostream>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include <xtape/autograd/inspect.hpp>
#include <xtape/autograd/inspect/text_columns.hpp>
#include <xtape/autograd/mathematics.hpp>
#include <xtape/autograd/program.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape::inspect {

namespace {

std::string escaped(const std::string& text) {
    std::string result;
    for (const char c : text) result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
    return result;
}

/// "512 × 28 × 28", for edges.
std::string sizes_of(const Shape& shape) {
    std::string text;
    for (const Index size : shape) text += (text.empty() ? "" : " × ") + std::to_string(size);
    return text;
}

/// The first line in bold, the others small and grey.
std::string label_of(const std::string& title, const std::vector<std::string>& lines) {
    std::string text = "<<table border=\"0\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"1\"><tr><td><b>" + title +
                       "</b></td></tr>";
    for (const std::string& line : lines)
        if (!line.empty())
            text += fmt::format("<tr><td><font point-size=\"9\" color=\"#5f6b7a\">{}</font></td></tr>", line);
    return text + "</table>>";
}

using Chain = std::vector<const Part*>;

/// From the outermost part to the innermost.
Chain chain_of(const Part* part) {
    Chain chain;
    for (; part; part = part->outer.get()) chain.push_back(part);
    std::reverse(chain.begin(), chain.end());
    return chain;
}

Chain common(const Chain& a, const Chain& b) {
    const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
    return Chain(a.begin(), end);
}

/// A picture in the making: lines of nodes by the part they stand in.
class Picture {
public:
    Picture(const Tape& tape, const Names& names) : tape_(tape), names_(names) {
        uses_.resize(tape.size(), 0);
        for (std::size_t i = 0; i < tape.size(); ++i)
            for (std::size_t p = 0; p < tape.arity(i); ++p)
                if (tape.parents(i)[p] != Tape::absent) ++uses_[tape.parents(i)[p]];
    }

    std::string dot() {
        for (std::size_t i = 0; i < tape_.size(); ++i)
            if (!tape_.is_leaf(i)) add_operation(i);
        for (std::size_t i = 0; i < tape_.size(); ++i)
            if (tape_.is_leaf(i)) add_parameter(i);
        for (const Constant& constant : constants_) add_constant(constant);
        for (const auto& [i, beside] : beside_) {
            std::string all = fmt::format("n{};", i);
            for (const std::string& id : beside) all += " " + id + ";";
            cluster(chain_of(names_.part_of(*tape_.nodes()[i]).get())).nodes.push_back("{ rank=same; " + all + " }");
        }

        std::string text =
            "digraph tape {\n"
            "  graph [rankdir=TB, fontname=\"DejaVu Sans\", fontsize=11, nodesep=0.35, ranksep=0.4, bgcolor=white];\n"
            "  node [fontname=\"DejaVu Sans\", fontsize=11, style=filled, fillcolor=white, color=\"#5f6b7a\", "
            "margin=\"0.14,0.07\"];\n"
            "  edge [fontname=\"DejaVu Sans\", fontsize=9, color=\"#5f6b7a\", fontcolor=\"#5f6b7a\", arrowsize=0.7];\n";
        emit(root_, text, "  ");
        for (const std::string& edge : edges_) text += "  " + edge + "\n";
        return text + "}\n";
    }

private:
    struct Cluster {
        const Part* part = nullptr;
        std::vector<std::string> nodes;
        std::vector<std::unique_ptr<Cluster>> inner;
    };
    /// An array that is no result of the tape's.
    struct Constant {
        std::string id, name;
        Array array;
        Chain home;
    };

    Cluster& cluster(const Chain& chain) {
        Cluster* at = &root_;
        for (const Part* part : chain) {
            const auto same = [&](const auto& inner) { return inner->part == part; };
            const auto found = std::find_if(at->inner.begin(), at->inner.end(), same);
            if (found == at->inner.end()) {
                at->inner.push_back(std::make_unique<Cluster>());
                at->inner.back()->part = part;
                at = at->inner.back().get();
            } else {
                at = found->get();
            }
        }
        return *at;
    }

    void add_operation(std::size_t i) {
        const Node& node = *tape_.nodes()[i];
        const auto part = names_.part_of(node);
        const Chain home = chain_of(part.get());
        std::string style = "shape=box, style=\"filled,rounded\"";
        if (i + 1 == tape_.size())
            style += ", fillcolor=\"#f8cbad\", penwidth=2";
        else if (uses_[i] > 1)
            style += ", fillcolor=\"#fff2cc\", peripheries=2";
        const std::string name = names_.of(node);
        const std::string size = i + 1 == tape_.size() ? sizes_of(node.shape) : "";
        cluster(home).nodes.push_back(fmt::format(
            "n{} [{}, label={}];", i, style,
            label_of(escaped(node.name), {name.empty() ? ""
                                                       : "<font point-size=\"11\" color=\"#1f3864\"><i>" +
                                                             mathematics::html(escaped(name)) + "</i></font>",
                                          size, escaped(text::place_text(node.where))})));
        for (std::size_t p = 0; p < tape_.arity(i); ++p) {
            const std::uint32_t parent = tape_.parents(i)[p];
            if (parent != Tape::absent) {
                if (tape_.is_leaf(parent)) {  // whose own label has the shape
                    add_edge_from(fmt::format("n{}", parent), i, p, uses_[parent] == 1);
                    settle(homes_, parent, home);
                } else {
                    edges_.push_back(fmt::format("n{} -> n{} [weight=20, label=\" {}\"];", parent, i,
                                                 sizes_of(tape_.nodes()[parent]->shape)));
                }
            } else {
                add_constant_edge(i, p, home);
            }
        }
        if (const std::uint32_t around = tape_.bypassed(i); around != Tape::absent)
            edges_.push_back(fmt::format(
                "n{} -> n{} [style=dashed, arrowhead=empty, weight=0, label=\" in place of\"];", around, i));
    }

    void add_constant_edge(std::size_t i, std::size_t p, const Chain& home) {
        const Array& array = tape_.nodes()[i]->arguments()[p].array();
        const std::string id = fmt::format("c{}", constants_.size());
        // without its array nobody knows whether it is the same as another one
        const void* key = array ? kept_piece(array).identity : static_cast<const void*>(&tape_.parents(i)[p]);
        const auto [at, is_new] = places_.try_emplace(key, constants_.size());
        if (is_new) constants_.push_back({id, names_.of(array), array, home});
        Constant& constant = constants_[at->second];
        if (!is_new) constant.home = common(constant.home, home);
        add_edge_from(constant.id, i, p, is_new);
    }

    /// From what is no operation: one to the left and one to the right at operation i's side, so that layers come one below
    /// the other, and the rest above it, as are those that others use too and the first of many arguments.
    void add_edge_from(const std::string& id, std::size_t i, std::size_t p, bool is_alone) {
        std::vector<std::string>& beside = beside_[i];
        const bool aside = is_alone && beside.size() < 2 && (p > 0 || tape_.arity(i) < 3);
        edges_.push_back(aside && beside.size() == 1 ? fmt::format("n{} -> {} [dir=back];", i, id)
                                                     : fmt::format("{} -> n{};", id, i));
        if (aside) beside.push_back(id);
    }

    static void settle(std::map<std::size_t, Chain>& homes, std::size_t i, const Chain& home) {
        const auto [at, is_new] = homes.try_emplace(i, home);
        if (!is_new) at->second = common(at->second, home);
    }

    void add_parameter(std::size_t i) {
        const Node& node = *tape_.nodes()[i];
        const std::string name = names_.of(node);
        cluster(homes_[i]).nodes.push_back(fmt::format(
            "n{} [shape=cylinder, fillcolor=\"{}\", color=\"#2f5597\"{}, label={}];", i,
            uses_[i] > 1 ? "#9dc3e6" : "#deebf7", uses_[i] > 1 ? ", penwidth=2" : "",
            label_of(name.empty() ? "parameter" : mathematics::html(escaped(name)), {sizes_of(node.shape)})));
    }

    void add_constant(const Constant& constant) {
        cluster(constant.home)
            .nodes.push_back(
                fmt::format("{} [shape=note, fillcolor=\"#eeeeee\", label={}];", constant.id,
                            label_of(constant.name.empty() ? "constant" : mathematics::html(escaped(constant.name)),
                                     {constant.array ? sizes_of(constant.array.shape()) : ""})));
    }

    void emit(const Cluster& cluster, std::string& text, const std::string& indent) {
        for (const std::string& node : cluster.nodes) text += indent + node + "\n";
        for (const auto& inner : cluster.inner) {
            text += fmt::format(
                "{0}subgraph cluster_{1} {{\n{0}  label=<<b>{2}</b>>; labeljust=l; style=\"filled,rounded\"; "
                "fillcolor=\"#f5f7fa\"; color=\"#c4ccd6\"; fontcolor=\"#1f3864\";\n",
                indent, clusters_++, escaped(inner->part->label));
            emit(*inner, text, indent + "  ");
            text += indent + "}\n";
        }
    }

    const Tape& tape_;
    const Names& names_;
    std::vector<std::size_t> uses_;
    std::vector<std::string> edges_;
    std::vector<Constant> constants_;                         // in order of use, which addresses do not change
    std::unordered_map<const void*, std::size_t> places_;     // of those, by their elements
    std::map<std::size_t, std::vector<std::string>> beside_;  // by operation
    std::map<std::size_t, Chain> homes_;                      // of parameters: what all that use them are in
    Cluster root_;
    int clusters_ = 0;
};

}  // namespace

std::string dot(const Variable& y, const Names& names, Where where) {
    if (!y.requires_grad()) throw TapeError("dot: the value is a constant, nothing was recorded", where);
    const Tape tape(y);
    return Picture(tape, names).dot();
}

bool draw(const Variable& y, const std::filesystem::path& path, const Names& names, Where where) {
    const std::string ending = path.extension().string();
    if (ending != ".svg" && ending != ".png" && ending != ".dot")
        throw ValueError("draw: the file's name must end in .svg, .png or .dot: " + path.string(), where);
    const std::string text = dot(y, names, where);
    if (ending == ".dot") {
        write_text(path, text);
        return true;
    }
    make_folders_of(path);
    AtomicFile file(path, where);
    if (run_program({"dot", "-T" + ending.substr(1), "-Gdpi=" + std::string(ending == ".png" ? "110" : "72"), "-o",
                     file.temporary().string()},
                    text)) {
        file.commit();
        return true;
    }
    auto beside = path;
    write_text(beside.replace_extension(".dot"), text);
    static std::atomic<bool> said{false};
    if (!said.exchange(true))
        std::cerr << "Graphviz is not installed: instead of pictures of tapes their text is written as .dot\n";
    return false;
}

}  // namespace xtape::inspect

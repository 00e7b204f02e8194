#include <xtape/nn/state.hpp>

#include <map>
#include <set>
#include <vector>

#include <fmt/format.h>

namespace xtape::nn {

namespace {

/// Puts arrays, already found to fit, into the members of those names.
struct Filler : Visitor {
    const std::map<std::string, Array>& values;

    explicit Filler(const std::map<std::string, Array>& from) : values(from) {}
    void parameter(const std::string& name, Parameter& parameter) override { parameter.assign(values.at(name)); }
    void buffer(const std::string& name, Array& buffer) override { buffer = values.at(name); }
};

/// All that stands against putting these arrays into the module; empty when they fit.
class Report {
public:
    Report(const NamedArrays& wanted, const std::map<std::string, Array>& given) {
        std::set<std::string> known;
        for (const auto& [name, array] : wanted) {
            known.insert(name);
            const auto found = given.find(name);
            if (found == given.end()) {
                missing_.push_back(name);
                continue;
            }
            const Array& other = found->second;
            if (array.shape() != other.shape())
                shapes_.push_back(
                    fmt::format("{} is {}, should be {}", name, to_string(other.shape()), to_string(array.shape())));
            if (array.dtype() != other.dtype())
                dtypes_.push_back(
                    fmt::format("{} is {}, should be {}", name, name_of(other.dtype()), name_of(array.dtype())));
        }
        for (const auto& [name, array] : given)
            if (known.count(name) == 0) unexpected_.push_back(name);
    }

    bool empty() const { return missing_.empty() && unexpected_.empty() && shapes_.empty() && dtypes_.empty(); }

    std::string text() const {
        return fmt::format("{} missing, {} unexpected, {} of another shape, {} of another dtype{}{}{}{}",
                           missing_.size(), unexpected_.size(), shapes_.size(), dtypes_.size(),
                           lines("missing", missing_), lines("unexpected", unexpected_), lines("shape", shapes_),
                           lines("dtype", dtypes_));
    }

private:
    static std::string lines(const char* what, const std::vector<std::string>& entries) {
        std::string text;
        for (const std::string& entry : entries) text += fmt::format("\n  {}: {}", what, entry);
        return text;
    }

    std::vector<std::string> missing_, unexpected_, shapes_, dtypes_;
};

void fill(Module& module, const NamedArrays& state, const std::string& source, Where where) {
    const std::map<std::string, Array> given(state.begin(), state.end());
    const Report report(module.state(), given);
    if (!report.empty())
        throw DataError(fmt::format("{} does not fit {}: {}", source, module.describe(), report.text()), where);
    Filler filler(given);
    module.visit(filler);
}

}  // namespace

void save(const Module& module, const std::string& path, const Metadata& metadata, Where where) {
    save_tensors(module.state(), path, metadata, where);
}

Metadata load(Module& module, const std::string& path, Where where) {
    TensorFile file = load_tensors(path, where);
    fill(module, file.tensors, path, where);
    return std::move(file.metadata);
}

void restore(Module& module, const NamedArrays& state, Where where) {
    fill(module, state, "restore: the state", where);
}

}  // namespace xtape::nn

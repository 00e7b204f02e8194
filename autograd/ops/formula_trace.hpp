#pragma once

#include <cstdint>

#include <xtape/autograd/ops/formula_builder.hpp>
#include <xtape/autograd/symbol.hpp>

namespace xtape::detail {

/// While it lives, symbols of this trace write into its builder; a trace within a trace has the word until it ends.
class FormulaTrace {
public:
    explicit FormulaTrace(std::size_t arguments) : builder_(arguments), outer_(innermost()), id_(next_id()) {
        innermost() = this;
    }
    ~FormulaTrace() { innermost() = outer_; }
    FormulaTrace(const FormulaTrace&) = delete;
    FormulaTrace& operator=(const FormulaTrace&) = delete;

    /// This thread's, or null.
    static FormulaTrace* current() { return innermost(); }
    std::uint32_t id() const { return id_; }
    FormulaBuilder& builder() { return builder_; }
    TracedValue value(FormulaBuilder::Number number) const { return {id_, number}; }

private:
    static FormulaTrace*& innermost();
    static std::uint32_t next_id();

    FormulaBuilder builder_;
    FormulaTrace* const outer_;
    const std::uint32_t id_;
};

}  // namespace xtape::detail

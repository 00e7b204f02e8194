#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtape/nn/module.hpp>

namespace xtape::nn {

/// One step of a Sequential: a layer, a plain function or a lambda from Variable to Variable; a copy is independent.
class Step {
public:
    using Function = Variable (*)(Variable, Where);

    /// A plain function such as `relu`.
    Step(Function f) : held_(new Held<Function>(f)) {}

    /// Any layer, function or function object that takes a Variable, or a Variable and a Where.
    template <
        class F, class D = std::decay_t<F>,
        class = std::enable_if_t<!std::is_same_v<D, Step> && (std::is_invocable_r_v<Variable, D&, Variable, Where> ||
                                                              std::is_invocable_r_v<Variable, D&, Variable>)>>
    Step(F&& f) : held_(new Held<D>(std::forward<F>(f))) {}

    Step(const Step& other) : held_(other.held_ ? other.held_->clone() : nullptr) {}
    Step(Step&&) noexcept = default;
    Step& operator=(Step other) noexcept {
        std::swap(held_, other.held_);
        return *this;
    }
    ~Step() = default;

    Variable operator()(Variable x, Where where) { return held_->call(std::move(x), where); }
    /// The module, or null for a function.
    Module* module() const { return held_->module(); }
    /// The plain function, or null for anything else.
    Function function() const { return held_->function(); }
    /// As Module's; for a function its name, if it is one of xtape's.
    std::string describe() const;

private:
    struct Base {
        virtual ~Base() = default;
        virtual Base* clone() const = 0;
        virtual Variable call(Variable x, Where where) = 0;
        virtual Module* module() = 0;
        virtual Function function() const = 0;
        virtual std::string describe() const = 0;
    };

    template <class F>
    struct Held final : Base {
        F f;

        template <class G>
        explicit Held(G&& g) : f(std::forward<G>(g)) {}
        Base* clone() const override { return new Held(f); }
        Variable call(Variable x, Where where) override {
            if constexpr (std::is_invocable_r_v<Variable, F&, Variable, Where>)
                return f(std::move(x), where);
            else
                return f(std::move(x));
        }
        Module* module() override {
            if constexpr (std::is_base_of_v<Module, F>)
                return &f;
            else
                return nullptr;
        }
        Function function() const override {
            if constexpr (std::is_same_v<F, Function>)
                return f;
            else
                return nullptr;
        }
        std::string describe() const override {
            if constexpr (std::is_base_of_v<Module, F>)
                return f.describe();
            else if constexpr (std::is_same_v<F, Function>)
                return name_of_function(f);
            else
                return std::is_pointer_v<F> ? "function" : "lambda";
        }
    };

    static std::string name_of_function(Function function);

    std::unique_ptr<Base> held_;
};

/// Layers and functions one after the other:
/// `nn::Sequential net{nn::Conv2d(1, 32, 3), relu, nn::Flatten(), nn::Linear(21632, 10)};`
///
/// Its members are called by their positions: "0.weight". An error that a step throws says which one it was.
///
/// Some neighbours are computed as one operation, with the same results: Conv2d or BatchNorm2d, then relu, then MaxPool2d(2)
/// without padding or not; and Linear, relu. This takes the very classes and the function xtape::relu; whatever derives
/// from or wraps them, and every lambda, is called as it stands. Under summary() all steps are called one by one.
class Sequential : public Module {
public:
    Sequential() = default;
    /// A list of nothing but one Sequential is a copy of that.
    Sequential(std::initializer_list<Step> steps);

    Variable operator()(Variable x, Where where = Where::here());

    void push_back(Step step) { steps_.push_back(std::move(step)); }
    Index size() const { return static_cast<Index>(steps_.size()); }

    /// The layer at a position: `net.get<nn::Linear>(7).weight`. Throws ValueError when there is none of that type.
    template <class Layer>
    Layer& get(Index position, Where where = Where::here()) {
        Layer* layer = dynamic_cast<Layer*>(module_at(position));
        if (!layer) throw_no_such_layer(position, where);
        return *layer;
    }
    template <class Layer>
    const Layer& get(Index position, Where where = Where::here()) const {
        return const_cast<Sequential&>(*this).get<Layer>(position, where);
    }

    void visit(Visitor& v) override;
    std::string describe() const override { return "Sequential"; }
    std::string tree() const override;

private:
    friend Variable checkpoint_sequential(Sequential& net, Index segments, Variable x, Where where);
    Variable run(std::size_t first, std::size_t last, Variable x, Where where);
    Module* module_at(Index position) const;
    [[noreturn]] void throw_no_such_layer(Index position, Where where) const;

    std::vector<Step> steps_;
};

/// net(x) in segments of about as many steps, with the same bits: of each but the last only the input is kept, and its
/// steps are called again when their gradients are asked for (checkpoint(), PyTorch's checkpoint_sequential). For n equal
/// steps sqrt(n) segments need the least memory. Dropout drops the same and running statistics move once; steps that change
/// other state do so twice. `net` must outlive the walk back. Throws ValueError unless segments is in [1, net.size()].
Variable checkpoint_sequential(Sequential& net, Index segments, Variable x, Where where = Where::here());

}  // namespace xtape::nn

#include <xtape/autograd/detect_anomaly.hpp>

#include <utility>
#include <vector>

#include <fmt/format.h>

#include <xtape/autograd/kernels/finite.hpp>
#include <xtape/autograd/random.hpp>

/// A look at the results, and a replay under DetectAnomaly when they are not finite.
namespace xtape {

namespace {

bool finite(const Array& gradient) { return !gradient || all_finite(gradient); }

[[noreturn]] void throw_not_again(const std::string& what, Where where) {
    throw Error(
        fmt::format("check_finite: {} the first time and finite when computed again: the function does not do the "
                    "same twice; does it use a random generator of its own?",
                    what),
        where);
}

/// The gradients of some parameters; put back unless what came after is kept.
class SavedGradients {
public:
    explicit SavedGradients(const NamedParameters& parameters) : parameters_(parameters) {
        for (const auto& [name, parameter] : parameters) saved_.push_back(parameter.grad());
    }
    ~SavedGradients() { put_back(); }
    SavedGradients(const SavedGradients&) = delete;
    SavedGradients& operator=(const SavedGradients&) = delete;

    void put_back() const {
        for (std::size_t i = 0; i < saved_.size(); ++i) parameters_[i].second.set_grad(saved_[i]);
    }
    void keep_new_ones() { saved_.clear(); }
    const Array& operator[](std::size_t i) const { return saved_[i]; }

private:
    const NamedParameters& parameters_;
    std::vector<Array> saved_;
};

}  // namespace

Variable check_finite(const std::function<Variable()>& f, const VariableNames& names, Where where) {
    const Generator before = random::generator();
    Variable loss = f();
    if (all_finite(loss.array())) return loss;
    const std::string what = "the loss was " + number_text(loss.array().at(kernels::first_non_finite(loss.array())));
    loss = {};
    random::generator() = before;
    const DetectAnomaly guard(names);
    guard.check(f());
    throw_not_again(what, where);
}

Variable check_finite_gradients(const std::function<Variable()>& f, const NamedParameters& parameters, Where where) {
    SavedGradients saved(parameters);
    const Generator before = random::generator();
    Variable loss = check_finite(f, parameters, where);
    loss.backward(where);
    const std::pair<std::string, ParameterRef>* bad = nullptr;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (finite(parameters[i].second.grad())) continue;
        bad = &parameters[i];
        if (finite(saved[i])) continue;
        throw Error(
            fmt::format("check_finite_gradients: the gradient of {} was not finite before; zero_grad() drops it",
                        bad->first),
            where);
    }
    if (!bad) {
        saved.keep_new_ones();
        return loss;
    }
    saved.put_back();
    loss = {};
    random::generator() = before;
    const DetectAnomaly guard(parameters);
    loss = f();
    loss.backward(where);
    throw_not_again("the gradient of " + bad->first + " was not finite", where);
}

}  // namespace xtape

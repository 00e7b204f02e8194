#include <xtape/optim/optimizer.hpp>

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {

Optimizer::Optimizer(const ParameterList& parameters, double rate, double weight_decay,
                     std::vector<std::string> slot_names, Where where)
    : slot_names_(std::move(slot_names)), slots_(slot_names_.size()) {
    check(!parameters.empty(), "optimizer: there is no parameter to optimise", where);
    learning_rate(rate, where);
    add_group(parameters, 1, weight_decay, where);
}

void Optimizer::learning_rate(double rate, Where where) {
    check_not_negative("optimizer", "learning rate", rate, where);
    rate_ = rate;
}

void Optimizer::add_group(const ParameterList& parameters, double rate_factor, double weight_decay, Where where) {
    check_not_negative("optimizer", "rate factor", rate_factor, where);
    check_not_negative("optimizer", "weight decay", weight_decay, where);
    ParameterList all = parameters_;
    for (const ParameterRef& parameter : parameters) {
        check(static_cast<bool>(parameter.node()), fmt::format("optimizer: parameter {} has no value", all.size()),
              where);
        const bool known = std::any_of(all.begin(), all.end(), [&](auto& p) { return p.node() == parameter.node(); });
        check(!known, fmt::format("optimizer: parameter {} is there already", all.size()), where);
        all.push_back(parameter);
    }
    parameters_ = std::move(all);
    settings_.resize(parameters_.size(), {rate_factor, weight_decay, 0});
    for (auto& slot : slots_) slot.resize(parameters_.size());
}

void Optimizer::step() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        if (parameters_[i].grad()) update_one(i, parameters_[i].grad());
    }
}

void Optimizer::step(const std::vector<Variable>& gradients, Where where) {
    check(gradients.size() == parameters_.size(),
          fmt::format("optimizer: {} gradients for {} parameters", gradients.size(), parameters_.size()), where);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
        if (!gradients[i]) continue;
        check_like("optimizer", fmt::format("gradient {}", i), gradients[i].array(), parameters_[i].array(), where);
    }
    for (std::size_t i = 0; i < gradients.size(); ++i) {
        if (gradients[i]) update_one(i, gradients[i].array());
    }
}

void Optimizer::zero_grad() {
    for (const ParameterRef& parameter : parameters_) parameter.zero_grad();
}

void Optimizer::update_one(std::size_t i, const Array& gradient) {
    const Array held = gradient;  // so that writable() sees when the gradient is the value itself
    held.evaluate();              // here, not in the loop's pieces
    Array& value = parameters_[i].writable();
    std::vector<Array*> slots;
    for (auto& slot : slots_) {
        if (!slot[i]) slot[i] = Array::filled(value.shape(), value.dtype(), 0);
        slot[i].make_unique();
        slots.push_back(&slot[i]);
    }
    Settings& s = settings_[i];
    ++s.updates;
    const Update u{value, held, rate_ * s.rate_factor, s.weight_decay, s.updates, std::move(slots)};
    kernels::parallel_for(value.size(), 16384, [&](Index begin, Index end) { update(u, begin, end); });
}

Array Optimizer::step_scale(std::size_t i) const {
    const NoGrad constant;
    std::vector<Array> slots;
    for (const auto& slot : slots_) slots.push_back(slot[i]);
    const Variable scale = scale_by_state(slots, settings_[i].updates);
    if (!scale) return {};
    return (settings_[i].rate_factor * astype(scale, parameters_[i].array().dtype())).array();
}

Variable Optimizer::scale_by_state(const std::vector<Array>&, Index) const { return Variable(1); }

std::vector<std::pair<std::string, Array>> Optimizer::state() const {
    std::vector<std::pair<std::string, Array>> state;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const Array& value = parameters_[i].array();
        state.emplace_back(fmt::format("step.{}", i),
                           Array::scalar(static_cast<double>(settings_[i].updates), float64));
        for (std::size_t k = 0; k < slots_.size(); ++k) {
            const Array& slot = slots_[k][i];
            state.emplace_back(fmt::format("{}.{}", slot_names_[k], i),
                               slot ? slot : Array::filled(value.shape(), value.dtype(), 0));
        }
    }
    return state;
}

void Optimizer::load_state(const std::vector<std::pair<std::string, Array>>& state, Where where) {
    std::map<std::string, Array> given(state.begin(), state.end());
    std::vector<std::string> missing;
    auto take = [&](const std::string& name) {
        auto found = given.find(name);
        if (found == given.end()) {
            missing.push_back(name);
            return Array();
        }
        Array array = std::move(found->second);
        given.erase(found);
        return array;
    };

    auto settings = settings_;
    auto slots = slots_;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const std::string name = fmt::format("step.{}", i);
        if (Array updates = take(name)) {
            check(updates.size() == 1 && updates.at(0) >= 0 && updates.at(0) < 0x1p53,
                  fmt::format("optimizer: {} is not a count", name), where);
            settings[i].updates = static_cast<Index>(updates.at(0));
        }
        for (std::size_t k = 0; k < slots.size(); ++k) {
            const std::string slot_name = fmt::format("{}.{}", slot_names_[k], i);
            if (Array slot = take(slot_name)) {
                check_like("optimizer", slot_name, slot, parameters_[i].array(), where);
                slots[k][i] = std::move(slot);
            }
        }
    }
    std::vector<std::string> unexpected;
    for (const auto& [name, array] : given) unexpected.push_back(name);
    check(missing.empty() && unexpected.empty(),
          fmt::format("optimizer: state does not fit: missing [{}], unexpected [{}]", fmt::join(missing, ", "),
                      fmt::join(unexpected, ", ")),
          where);
    settings_ = std::move(settings);
    slots_ = std::move(slots);
}

}  // namespace xtape::optim

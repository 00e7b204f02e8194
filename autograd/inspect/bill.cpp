#include <xtape/autograd/inspect/bill.hpp>

#include <algorithm>
#include <ostream>
#include <string_view>

#include <fmt/format.h>

#include <xtape/autograd/inspect/work.hpp>
#include <xtape/autograd/ops.hpp>

namespace xtape::inspect {

namespace {

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// The time of the fastest of several calls, after one that is not counted.
template <class F>
double fastest(int times, F f) {
    f();
    double least = 0;
    for (int i = 0; i < times; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        f();
        const double taken = seconds_between(begin, std::chrono::steady_clock::now());
        if (i == 0 || taken < least) least = taken;
    }
    return least;
}

}  // namespace

Machine Machine::measure() {
    const NoGrad constant;
    constexpr Index n = 1024, large = 1 << 24;
    const Variable a(Array::filled({n, n}, float32, 1)), b(Array::filled({n, n}, float32, 1));
    const double product = fastest(8, [&] { return matmul(a, b); });
    const Variable x(Array::filled({large}, float32, 1));
    const double pass = fastest(5, [&] { return negative(x); });
    const auto cubed = static_cast<double>(n) * n * n;
    return {2 * cubed / product, 2.0 * sizeof(float) * large / pass};
}

Bill::Bill() { begin(); }

void Bill::begin() {
    items_.clear();
    rows_.clear();
    kept_ = {};
    total_seconds_ = 0;
    storage::reset_peak();
    live_before_ = storage::stats().live_bytes;
    begun_ = last_ = Clock::now();
}

/// Time since the last event; a new event begins with last_ = Clock::now().
double Bill::lap() { return seconds_between(last_, Clock::now()); }

void Bill::operator()(const std::function<void()>& f, int times) {
    if (times < 1) throw ValueError(fmt::format("bill: needs at least one run, not {}", times));
    f();
    std::vector<std::vector<double>> forward, backward;
    std::vector<double> totals;
    for (int run = 0; run < times; ++run) {
        const std::vector<Item> before = std::move(items_);
        begin();
        f();
        totals.push_back(seconds_between(begun_, last_));
        const auto same = [](const Item& a, const Item& b) { return a.operation == b.operation && a.shape == b.shape; };
        if (run > 0 && !std::equal(items_.begin(), items_.end(), before.begin(), before.end(), same))
            throw ValueError("bill: not all runs record the same operations");
        forward.resize(items_.size());
        backward.resize(items_.size());
        for (std::size_t i = 0; i < items_.size(); ++i) {
            forward[i].push_back(items_[i].forward.seconds);
            backward[i].push_back(items_[i].backward.seconds);
        }
    }
    for (std::size_t i = 0; i < items_.size(); ++i) {
        items_[i].forward.seconds = median(forward[i]);
        items_[i].backward.seconds = median(backward[i]);
    }
    total_seconds_ = median(totals);
}

void Bill::recorded(Node& node, const Array& y) {
    const double taken = lap();
    for (std::size_t p = 0; p < node.arity(); ++p)  // parameters are there anyway
        if (const NodePtr& parent = node.arguments()[p].node(); parent && parent->arity() == 0) parent->keep(kept_);
    kept_.take();
    node.keep(kept_);
    const auto part = PartScope::current();
    const detail::Work work = detail::work_of(node);
    rows_[&node] = items_.size();
    items_.push_back({node.name, part ? part->label : "", y.shape(), y.dtype(), node.where,
                      Cost{taken, work.forward(), work.bytes}, Cost{}, kept_.take()});
    last_ = Clock::now();
}

void Bill::walking(const Tape& tape, const Variable&) {
    if (!walk_ && !recording()) walk_ = &tape;
}

void Bill::walked(const Tape& tape) noexcept {
    if (walk_ != &tape) return;
    walk_ = nullptr;
    kept_ = {};
}

void Bill::pulling(const Node& node, const Variable& g) {
    const auto row = rows_.find(&node);
    if (row != rows_.end() && detail::work_of(node).bytes > 0) {
        Kept own;
        node.keep(own);
        items_[row->second].backward.bytes +=
            static_cast<double>(own.total()) + static_cast<double>(kept_piece(g).bytes);
    }
    last_ = Clock::now();
}

void Bill::pulled(const Node& node, const bool* wanted, const Variable* gradients) {
    const double taken = lap();
    const auto row = rows_.find(&node);
    if (row != rows_.end()) {
        Cost& cost = items_[row->second].backward;
        cost.seconds += taken;
        const detail::Work work = detail::work_of(node);
        cost.flops += work.backward(wanted);
        for (std::size_t p = 0; p < node.arity(); ++p)
            if (wanted[p] && work.bytes > 0) cost.bytes += static_cast<double>(kept_piece(gradients[p]).bytes);
    }
    last_ = Clock::now();
}

std::size_t Bill::peak_bytes() const {
    const std::size_t peak = storage::stats().peak_bytes;
    return peak > live_before_ ? peak - live_before_ : 0;
}

double Bill::seconds() const { return total_seconds_ > 0 ? total_seconds_ : seconds_between(begun_, last_); }

const Machine& Bill::machine() const {
    if (machine_.flops == 0) machine_ = Machine::measure();
    return machine_;
}

std::ostream& operator<<(std::ostream& out, const Bill& bill) { return out << bill.table(); }

}  // namespace xtape::inspect

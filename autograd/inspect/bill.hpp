#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>
#include <unordered_map>
#include <vector>

#include <xtape/autograd/kept.hpp>
#include <xtape/autograd/node.hpp>
#include <xtape/autograd/observer.hpp>
#include <xtape/autograd/part.hpp>

namespace xtape::inspect {

/// What this machine can do at best with the present number of threads, found out by small runs.
struct Machine {
    double flops;      ///< a second, of a float32 matrix product of 1024 x 1024
    double bandwidth;  ///< bytes a second, of reading one large array and writing another

    /// Takes about a quarter of a second.
    static Machine measure();
};

/// What one direction of an operation costs.
struct Cost {
    double seconds = 0;
    double flops = 0;
    double bytes =
        0;  ///< the least that must be moved: each argument and what is kept read once, each result written once
};

/// One operation of the bill.
struct Item {
    std::string operation;
    std::string layer;  ///< the innermost one, or empty
    Shape shape;
    DType dtype;
    Where where;
    Cost forward;
    Cost backward;
    std::size_t kept = 0;  ///< bytes kept for the way back, as in inspect::Table, parameters left out
};

/// What a computation costs, operation by operation, as it really runs (operations that are merged stay merged):
///
///     inspect::Bill bill;
///     net_loss(x, y).backward();
///     fmt::print("{}", bill.table());
///
/// or, with medians over several runs, `bill([&] { net_loss(x, y).backward(); }, 7);`
///
/// The forward time of an operation is that since the one before it was recorded, or since the bill began: what happens in
/// between without being recorded is in it. The backward time is that of its rules. FLOPs follow from names and shapes: a
/// multiplication and an addition of a product or a convolution are two, however it is computed (Winograd's takes fewer), a
/// gradient of one of its factors costs as much again, everything else one for each element. Only this thread is looked at.
class Bill : public Observer {
public:
    Bill();

    /// Runs f once without counting it, then `times` times; each item's times become medians. Starts the bill anew. Throws
    /// ValueError unless times >= 1, or when a run does not record the same operations as the first one.
    void operator()(const std::function<void()>& f, int times = 5);

    const std::vector<Item>& items() const { return items_; }
    /// The largest number of bytes live in the pool since the bill began, less what was live then. Each beginning restarts
    /// the pool's own peak (storage::reset_peak).
    std::size_t peak_bytes() const;
    /// From the bill's beginning to the last event.
    double seconds() const;
    /// Measured at the first call, then the same.
    const Machine& machine() const;

    /// All items, the dearest first, with totals.
    std::string table() const;

    void recorded(Node& node, const Array& y) override;
    void walking(const Tape& tape, const Variable& seed) override;
    void walked(const Tape& tape) noexcept override;
    void pulling(const Node& node, const Variable& g) override;
    void pulled(const Node& node, const bool* wanted, const Variable* gradients) override;

private:
    using Clock = std::chrono::steady_clock;

    void begin();
    double lap();

    std::vector<Item> items_;
    std::unordered_map<const Node*, std::size_t> rows_;  ///< the item of each node
    Kept kept_;                                          ///< by address, which are used anew once a tape is gone
    const Tape* walk_ = nullptr;  ///< the outermost one that ends a tape: its gradients are not recorded
    Clock::time_point begun_, last_;
    std::size_t live_before_ = 0;
    double total_seconds_ = 0;  ///< the median of several runs, else 0
    mutable Machine machine_{0, 0};
};

std::ostream& operator<<(std::ostream& out, const Bill& bill);

}  // namespace xtape::inspect

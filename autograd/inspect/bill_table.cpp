#include <algorithm>

#include <fmt/format.h>

#include <xtape/autograd/inspect/bill.hpp>
#include <xtape/autograd/inspect/text_columns.hpp>
#include <xtape/autograd/threads.hpp>

namespace xtape::inspect {

namespace {

constexpr std::size_t most_rows = 30;

std::string milliseconds(double seconds) { return fmt::format("{:.3f}", 1e3 * seconds); }

std::string share(double part, double whole) { return whole > 0 ? fmt::format("{:.1f} %", 100 * part / whole) : ""; }

/// How near to the machine's best: arithmetic (a) or memory (m), whichever would take longer.
std::string nearness(double seconds, double flops, double bytes, const Machine& machine) {
    const double arithmetic = flops / machine.flops, memory = bytes / machine.bandwidth;
    if (seconds <= 0 || arithmetic + memory == 0) return "";
    return fmt::format("{:.0f} % {}", 100 * std::max(arithmetic, memory) / seconds, arithmetic > memory ? 'a' : 'm');
}

struct Sum {
    Cost forward, backward;
    std::size_t kept = 0;

    void add(const Item& item) {
        for (const auto& [to, from] : {std::pair(&forward, &item.forward), std::pair(&backward, &item.backward)}) {
            to->seconds += from->seconds;
            to->flops += from->flops;
            to->bytes += from->bytes;
        }
        kept += item.kept;
    }
};

std::vector<std::string> line_of(const std::string& operation, const std::string& layer, const std::string& shape,
                                 const Sum& sum, double whole, const Machine& machine) {
    const double seconds = sum.forward.seconds + sum.backward.seconds, flops = sum.forward.flops + sum.backward.flops,
                 bytes = sum.forward.bytes + sum.backward.bytes;
    return {operation,
            layer,
            shape,
            milliseconds(sum.forward.seconds),
            milliseconds(sum.backward.seconds),
            share(seconds, whole),
            fmt::format("{:.4g}", 1e-6 * flops),
            seconds > 0 ? fmt::format("{:.1f}", 1e-9 * flops / seconds) : "",
            text::bytes_text(bytes),
            text::bytes_text(static_cast<double>(sum.kept)),
            nearness(seconds, flops, bytes, machine)};
}

}  // namespace

std::string Bill::table() const {
    const double whole = seconds();
    const std::size_t peak = peak_bytes();  // before the machine is measured
    const Machine& best = machine();
    std::vector<const Item*> sorted;
    for (const Item& item : items_) sorted.push_back(&item);
    std::stable_sort(sorted.begin(), sorted.end(), [](const Item* a, const Item* b) {
        return a->forward.seconds + a->backward.seconds > b->forward.seconds + b->backward.seconds;
    });

    std::vector<std::vector<std::string>> lines{{"operation", "layer", "result", "forward ms", "backward ms", "share",
                                                 "MFLOP", "GFLOP/s", "moved", "kept", "of peak"}};
    Sum total, others;
    std::size_t shown = 0;
    for (const Item* item : sorted) {
        total.add(*item);
        if (shown + 1 > most_rows) {
            others.add(*item);
            continue;
        }
        Sum own;
        own.add(*item);
        lines.push_back(line_of(item->operation, item->layer, to_string(item->shape), own, whole, best));
        ++shown;
    }
    if (sorted.size() > shown)
        lines.push_back(line_of(fmt::format("{} others", sorted.size() - shown), "", "", others, whole, best));
    const double elsewhere = whole - total.forward.seconds - total.backward.seconds;
    lines.push_back(line_of("operations", "", "", total, whole, best));
    std::string text = text::columns(lines, "<<<>>>>>>>>", {lines.size() - 1});
    text += fmt::format("whole {:.3f} ms, of it between the operations' rules {:.3f} ms; peak memory {}\n", 1e3 * whole,
                        1e3 * std::max(0.0, elsewhere), text::bytes_text(static_cast<double>(peak)));
    text += fmt::format("machine, {} threads: {:.0f} GFLOP/s (float32 product), {:.1f} GB/s\n", threads(),
                        1e-9 * best.flops, 1e-9 * best.bandwidth);
    text += "of peak: the time that the arithmetic (a) or the memory (m) would take at that rate; above 100 % it is "
            "from cache,\n"
            "in the pass of a neighbour, or by an algorithm that takes less arithmetic\n";
    return text;
}

}  // namespace xtape::inspect

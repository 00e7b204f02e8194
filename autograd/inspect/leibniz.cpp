#include <xtape/autograd/inspect/leibniz.hpp>

#include <algorithm>

namespace xtape::inspect::detail {

namespace {

void append(Both& chain, const Both& factor) {
    chain.first += (chain.first.empty() ? "" : " × ") + factor.first;
    chain.second += (chain.second.empty() ? "" : " \\times ") + factor.second;
}

}  // namespace

Both Leibniz::partial(std::size_t y, std::size_t x) const {
    return {"∂" + to_text(symbols_[y]) + "/∂" + to_text(symbols_[x]),
            "\\frac{\\partial " + to_latex(symbols_[y]) + "}{\\partial " + to_latex(symbols_[x]) + "}"};
}

void Leibniz::find_successors(std::size_t i, std::vector<std::size_t>& found) const {
    for (const std::uint32_t user : formula_.users(i)) {
        if (!symbols_[user])
            find_successors(user, found);
        else if (std::find(found.begin(), found.end(), user) == found.end())
            found.push_back(user);
    }
}

/// The next values with a symbol that it goes into.
std::vector<std::size_t> Leibniz::successors(std::size_t i) const {
    std::vector<std::size_t> found;
    find_successors(i, found);
    return found;
}

std::optional<Both> Leibniz::whole_chain(std::size_t x) const {
    std::vector<std::size_t> way{x};
    while (way.back() != last()) {
        const auto next = successors(way.back());
        if (next.size() != 1) return std::nullopt;
        way.push_back(next[0]);
    }
    if (way.size() <= 2) return std::nullopt;
    Both chain;
    for (std::size_t k = way.size() - 1; k > 0; --k) append(chain, partial(way[k], way[k - 1]));
    return chain;
}

std::optional<Both> Leibniz::last_step(std::size_t x, const std::vector<Expression>& gradients) const {
    const auto next = successors(x);
    if (next.size() == 1 && next[0] == last()) return std::nullopt;
    Both sum;
    for (const std::size_t n : next) {
        Both term;
        if (n != last()) term = {to_text(gradients[n]), to_latex(gradients[n])};
        append(term, partial(n, x));
        sum.first += (sum.first.empty() ? "" : " + ") + term.first;
        sum.second += (sum.second.empty() ? "" : " + ") + term.second;
    }
    return sum;
}

}  // namespace xtape::inspect::detail

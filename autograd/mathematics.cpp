#include <xtape/autograd/mathematics.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace xtape::mathematics {

namespace {

constexpr std::array<std::pair<const char*, const char*>, 24> greek{{
    {"alpha", "α"}, {"beta", "β"},  {"gamma", "γ"}, {"delta", "δ"},  {"epsilon", "ε"}, {"zeta", "ζ"},
    {"eta", "η"},   {"theta", "θ"}, {"kappa", "κ"}, {"lambda", "λ"}, {"mu", "μ"},      {"nu", "ν"},
    {"xi", "ξ"},    {"pi", "π"},    {"rho", "ρ"},   {"sigma", "σ"},  {"tau", "τ"},     {"phi", "φ"},
    {"chi", "χ"},   {"psi", "ψ"},   {"omega", "ω"}, {"Delta", "Δ"},  {"Sigma", "Σ"},   {"Omega", "Ω"},
}};

const char* greek_letter(const std::string& name) {
    const auto found =
        std::find_if(greek.begin(), greek.end(), [&](const auto& letter) { return name == letter.first; });
    return found == greek.end() ? nullptr : found->second;
}

/// A name in its parts: what stands before the first underscore, and behind it without its braces.
struct Name {
    std::string base, index;

    explicit Name(const std::string& name) : base(name) {
        const std::size_t at = name.find('_');
        if (at == std::string::npos || at == 0 || at + 1 == name.size()) return;
        base = name.substr(0, at);
        index = name.substr(at + 1);
        if (index.size() > 2 && index.front() == '{' && index.back() == '}') index = index.substr(1, index.size() - 2);
    }
};

bool is_mathematics(const std::string& word) {
    if (word.size() > 1 && word[0] == '\\') return greek_letter(word.substr(1)) != nullptr;
    return word.size() == 1 && std::isalpha(static_cast<unsigned char>(word[0])) != 0;
}

/// Text between braces of \mathrm, whatever it holds.
std::string upright(const std::string& word) {
    std::string result = "\\mathrm{";
    for (const char c : word) {
        if (std::string("#$%&_{}").find(c) != std::string::npos)
            result += std::string("\\") + c;
        else if (c == '\\')
            result += "\\backslash ";
        else if (c == '^' || c == '~')
            result += std::string("\\") + c + "{}";
        else if (static_cast<unsigned char>(c) >= 32 && static_cast<unsigned char>(c) < 127)
            result += c == ' ' ? "\\ " : std::string(1, c);
    }
    return result + "}";
}

std::string with_greek(const std::string& word) {
    if (word.size() > 1 && word[0] == '\\')
        if (const char* letter = greek_letter(word.substr(1))) return letter;
    return word;
}

}  // namespace

std::string plain(const std::string& name) {
    const Name parts(name);
    return with_greek(parts.base) + (parts.index.empty() ? "" : "_" + with_greek(parts.index));
}

std::string latex(const std::string& name) {
    const Name parts(name);
    if (!is_mathematics(parts.base) && parts.base != "base") return upright(name);
    const bool number = std::all_of(parts.index.begin(), parts.index.end(),
                                    [](char c) { return std::isdigit(static_cast<unsigned char>(c)); });
    const std::string base = parts.base == "base" ? "\\mathrm{base}" : parts.base;
    if (parts.index.empty()) return base;
    return base + "_{" + (number || is_mathematics(parts.index) ? parts.index : upright(parts.index)) + "}";
}

std::string html(const std::string& name) {
    const Name parts(name);
    if (!is_mathematics(parts.base)) return name;
    return with_greek(parts.base) + (parts.index.empty() ? "" : "<sub>" + with_greek(parts.index) + "</sub>");
}

}  // namespace xtape::mathematics

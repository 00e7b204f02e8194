#include <xtape/autograd/inspect/text_columns.hpp>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

namespace xtape::inspect::text {

std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string columns(const std::vector<std::vector<std::string>>& rows, const std::string& sides,
                    const std::vector<std::size_t>& rules) {
    std::vector<std::size_t> widths(sides.size(), 0);
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    std::size_t whole = 0;
    for (const std::size_t width : widths)
        if (width > 0) whole += width + 2;

    std::string text;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        if (r == 1 || std::count(rules.begin(), rules.end(), r) > 0) text += std::string(whole - 2, '-') + "\n";
        std::string line;
        for (std::size_t i = 0; i < rows[r].size(); ++i) {
            if (widths[i] == 0) continue;  // a column that nobody fills
            const std::string blanks(widths[i] - width_of(rows[r][i]), ' ');
            line += sides[i] == '<' ? rows[r][i] + blanks : blanks + rows[r][i];
            line += "  ";
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

std::string bytes_text(double bytes) {
    constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
    std::size_t unit = 0;
    for (; bytes >= 999.5 && unit < 4; ++unit) bytes /= 1000;
    return bytes >= 99.5 || unit == 0 ? fmt::format("{:.0f} {}", bytes, units[unit])
                                      : fmt::format("{:.3g} {}", bytes, units[unit]);
}

std::string place_text(Where where) {
    if (where.line == 0) return "";
    return fmt::format("{}:{}", std::filesystem::path(where.file).filename().string(), where.line);
}

}  // namespace xtape::inspect::text

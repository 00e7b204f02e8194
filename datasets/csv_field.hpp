#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>
#include <type_traits>

/// One field of a table, read as fast as it comes.
namespace xtape::datasets::csv {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// Without blanks around it.
inline std::string_view trimmed(std::string_view field) {
    while (!field.empty() && is_blank(field.front())) field.remove_prefix(1);
    while (!field.empty() && is_blank(field.back())) field.remove_suffix(1);
    return field;
}

/// Whether the field, trimmed, is a number that T can hold; then it is in `value`.
template <class T>
bool number(std::string_view field, T& value) {
    const char *begin = field.data(), *end = begin + field.size();
    if (field.size() > 1 && *begin == '+' && begin[1] != '-') ++begin;
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (stop != end) return false;
    if constexpr (std::is_floating_point_v<T>) {
        if (error == std::errc::result_out_of_range) {  // too small is 0, too large is wrong
            long double wide = 0;
            value = 0;
            return std::from_chars(begin, end, wide).ec == std::errc() && wide > -1 && wide < 1;
        }
    }
    return error == std::errc();
}

/// Reads a whole number without sign that ends at the delimiter or the end of the row, which most fields are; returns where
/// it ends, or null for a field that is something else.
template <class T>
const char* plain_integer(const char* p, const char* end, char delimiter, T& value) {
    constexpr int most = std::is_same_v<T, std::uint8_t> ? 3 : 18;  // digits that cannot overflow
    using Sum = std::conditional_t<std::is_same_v<T, std::uint8_t>, std::uint32_t, std::uint64_t>;
    const char* const limit = end - p > most ? p + most : end;
    const char* digit = p;
    Sum sum = 0;
    for (; digit < limit && is_digit(*digit); ++digit) sum = sum * 10 + static_cast<Sum>(*digit - '0');
    if (digit == p || (digit < end && *digit != delimiter)) return nullptr;
    if constexpr (std::is_same_v<T, std::uint8_t>)
        if (sum > UINT8_MAX) return nullptr;
    value = static_cast<T>(sum);
    return digit;
}

}  // namespace xtape::datasets::csv

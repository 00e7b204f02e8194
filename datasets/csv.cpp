#include <xtape/datasets/csv.hpp>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/datasets/byte_source.hpp>
#include <xtape/datasets/csv_field.hpp>
#include <xtape/datasets/csv_text.hpp>

namespace xtape::datasets {
namespace {

std::vector<char> read_all(const std::string& path) {
    const auto source = ByteSource::open(path);
    std::vector<char> text(static_cast<std::size_t>(source->size().value_or(1 << 20)) + 1);
    std::size_t held = 0;
    while (true) {
        const std::size_t room = text.size() - held;
        const std::size_t got = source->read(reinterpret_cast<std::uint8_t*>(text.data()) + held, room);
        held += got;
        if (got < room) break;
        text.resize(2 * text.size());
    }
    text.resize(held);
    return text;
}

const char* end_of_line(const char* p, const char* end) {
    const void* found = std::memchr(p, '\n', static_cast<std::size_t>(end - p));
    return found ? static_cast<const char*>(found) : end;
}

/// A line without the CR of its CR LF.
std::string_view line_of(const char* begin, const char* line_end) {
    const bool carriage_return = line_end > begin && line_end[-1] == '\r';
    return {begin, static_cast<std::size_t>(line_end - begin - (carriage_return ? 1 : 0))};
}

std::string_view next_field(std::string_view& rest, char delimiter) {
    const std::size_t length = std::min(rest.find(delimiter), rest.size());
    const std::string_view field = rest.substr(0, length);
    rest.remove_prefix(std::min(length + 1, rest.size()));
    return field;
}

/// Names may be quoted, with the delimiter or doubled quotes inside.
std::vector<std::string> names_in(std::string_view line, char delimiter) {
    std::vector<std::string> names(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const bool quote = line[i] == '"';
        if (quote && quoted && i + 1 < line.size() && line[i + 1] == '"')
            names.back() += line[++i];
        else if (quote)
            quoted = !quoted;
        else if (line[i] == delimiter && !quoted)
            names.emplace_back();
        else
            names.back() += line[i];
    }
    for (std::string& name : names) name = csv::trimmed(name);
    return names;
}

Index fields_in(std::string_view line, char delimiter) {
    return line.empty() ? 0 : 1 + std::count(line.begin(), line.end(), delimiter);
}

bool is_header(std::string_view line, char delimiter) {
    double ignored = 0;
    return !csv::number(csv::trimmed(next_field(line, delimiter)), ignored);
}

/// What is wrong with a row: one field, or how many there are.
struct Problem {
    Index row = 0, column = 0;
    std::optional<std::string> field;
    Index found = 0;
};

template <class T>
std::optional<Problem> parse_row(std::string_view line, char delimiter, Index row, Index columns, T* out) {
    const char *p = line.data(), *const end = p + line.size();
    for (Index column = 0; column < columns; ++column) {
        const char* stop = csv::plain_integer(p, end, delimiter, out[column]);
        if (!stop) {
            std::string_view rest(p, static_cast<std::size_t>(end - p));
            const std::string_view field = next_field(rest, delimiter);
            stop = p + field.size();
            if (!csv::number(csv::trimmed(field), out[column]))
                return Problem{row, column, std::string(csv::trimmed(field)), 0};
        }
        const bool last = column + 1 == columns;
        if ((stop == end) != last) return Problem{row, column, {}, fields_in(line, delimiter)};
        p = stop + 1;
    }
    return {};
}

}  // namespace

CsvText::CsvText(const std::string& path, char delimiter, CsvHeader header)
    : path_(path), delimiter_(delimiter), text_(read_all(path)) {
    static const std::string_view in_numbers = "+-.\"\r\n";
    if (csv::is_digit(delimiter) || std::isalpha(static_cast<unsigned char>(delimiter)) ||
        in_numbers.find(delimiter) != std::string_view::npos)
        throw ValueError(fmt::format("read_csv: the delimiter may be part of a number: '{}'", delimiter));
    body_ = text_.data();
    end_ = body_ + text_.size();
    if (text_.size() >= 3 && std::memcmp(body_, "\xEF\xBB\xBF", 3) == 0) body_ += 3;  // UTF-8's mark
    while (end_ > body_ && (end_[-1] == '\n' || end_[-1] == '\r')) --end_;
    if (body_ == end_) throw DataError(fmt::format("{}: row 1, column 1: the file is empty: expected a table", path));
    read_header(header);
    cut_into_pieces();
}

std::string_view CsvText::first_line() const { return line_of(body_, end_of_line(body_, end_)); }

void CsvText::read_header(CsvHeader kind) {
    const std::string_view line = first_line();
    columns_ = fields_in(line, delimiter_);
    if (kind == CsvHeader::absent || (kind == CsvHeader::detect && !is_header(line, delimiter_))) return;
    header_ = names_in(line, delimiter_);
    columns_ = static_cast<Index>(header_.size());
    body_ = std::min(end_of_line(body_, end_) + 1, end_);
}

void CsvText::cut_into_pieces() {
    constexpr Index piece = 1 << 20;
    for (const char* begin = body_; begin < end_;) {
        const char* const near = end_ - begin > piece ? begin + piece : end_;
        const char* const end = near == end_ ? end_ : std::min(end_of_line(near, end_) + 1, end_);
        pieces_.push_back({begin, end, 0});
        begin = end;
    }
    kernels::parallel_for(static_cast<Index>(pieces_.size()), 1, [&](Index first, Index last) {
        for (Index i = first; i < last; ++i) {
            Piece& p = pieces_[static_cast<std::size_t>(i)];
            p.first_row = std::count(p.begin, p.end, '\n') + (p.end[-1] == '\n' ? 0 : 1);
        }
    });
    for (Piece& p : pieces_) p.first_row = std::exchange(rows_, rows_ + p.first_row);
}

void CsvText::check_size() const {
    // A row of n fields has n characters and n - 1 delimiters at the least.
    const Index least = 2 * columns_ - 1;
    if (rows_ == 0 || least <= (end_ - body_) / rows_) return;
    Index row = 0;
    for (const char* p = body_; p < end_; ++row) {
        const char* const stop = end_of_line(p, end_);
        if (stop - p < least) fail_row(row, fields_in(line_of(p, stop), delimiter_));
        p = std::min(stop + 1, end_);
    }
}

template <class T>
void CsvText::parse(T* out) const {
    std::vector<std::optional<Problem>> problems(pieces_.size());
    kernels::parallel_for(static_cast<Index>(pieces_.size()), 1, [&](Index first, Index last) {
        for (Index i = first; i < last; ++i) {
            const Piece& piece = pieces_[static_cast<std::size_t>(i)];
            auto& problem = problems[static_cast<std::size_t>(i)];
            Index row = piece.first_row;
            for (const char* p = piece.begin; p < piece.end && !problem; ++row) {
                const char* const stop = end_of_line(p, piece.end);
                problem = parse_row(line_of(p, stop), delimiter_, row, columns_, out + row * columns_);
                p = stop + 1;
            }
        }
    });
    const auto first = std::find_if(problems.begin(), problems.end(), [](const auto& p) { return p.has_value(); });
    if (first == problems.end()) return;
    const Problem& problem = **first;
    if (!problem.field) fail_row(problem.row, problem.found);
    fail(problem.row, problem.column,
         fmt::format("expected {}, found \"{:.40}\"",
                     std::is_same_v<T, std::uint8_t> ? "a whole number from 0 to 255" : "a number", *problem.field));
}

template void CsvText::parse(float*) const;
template void CsvText::parse(double*) const;
template void CsvText::parse(std::uint8_t*) const;

void CsvText::fail(Index row, Index column, const std::string& what) const {
    throw DataError(
        fmt::format("{}: row {}, column {}: {}", path_, row + 1 + (header_.empty() ? 0 : 1), column + 1, what));
}

void CsvText::fail_row(Index row, Index found) const {
    fail(row, std::min(found, columns_),
         fmt::format("expected {} fields as in the {}, found {}", columns_, header_.empty() ? "first row" : "header",
                     found));
}

Csv read_csv(const std::string& path, const CsvOptions& options) {
    const CsvText text(path, options.delimiter, options.header);
    text.check_size();
    Array numbers = Array::uninitialized({text.rows(), text.columns()}, options.dtype);
    dispatch(options.dtype, [&](auto tag) { text.parse(numbers.mutable_data<decltype(tag)>()); });
    return {text.header(), std::move(numbers)};
}

}  // namespace xtape::datasets

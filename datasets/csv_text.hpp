#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <xtape/datasets/csv.hpp>

namespace xtape::datasets {

/// The text of a table in memory, its rows counted: what read_csv is made of, for readers that know what is in theirs.
class CsvText {
public:
    /// Reads the file and its header. Throws as read_csv does, but for what is wrong with the numbers.
    CsvText(const std::string& path, char delimiter, CsvHeader header);

    Index rows() const { return rows_; }
    Index columns() const { return columns_; }
    const std::vector<std::string>& header() const { return header_; }

    /// Whether every row may have all columns, going by the bytes: to ask before there is memory for all of them. Throws
    /// DataError for a row that is too short for that.
    void check_size() const;

    /// Fills (rows, columns) in parallel; T is float, double, or std::uint8_t for whole numbers from 0 to 255. Throws
    /// DataError for the first field or row that is wrong.
    template <class T>
    void parse(T* out) const;

    /// Throws a DataError about a place; rows and columns counted from 0, without the header.
    [[noreturn]] void fail(Index row, Index column, const std::string& what) const;

private:
    /// Whole rows, one after the other.
    struct Piece {
        const char* begin;
        const char* end;
        Index first_row;
    };

    std::string_view first_line() const;
    void read_header(CsvHeader kind);
    void cut_into_pieces();
    [[noreturn]] void fail_row(Index row, Index found) const;

    std::string path_;
    char delimiter_;
    std::vector<char> text_;
    const char* body_ = nullptr;  ///< behind the header
    const char* end_ = nullptr;   ///< behind the last row
    std::vector<std::string> header_;
    std::vector<Piece> pieces_;
    Index rows_ = 0, columns_ = 0;
};

}  // namespace xtape::datasets

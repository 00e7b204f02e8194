#pragma once

#include <string>
#include <vector>

#include <xtape/autograd/ops.hpp>

/// Tables of numbers as text, plain or gzip. Whatever is wrong with one is a DataError that names the file, the row (its
/// line, counted from 1), the column (counted from 1) and what was expected.
namespace xtape::datasets {

/// What the first row is.
enum class CsvHeader {
    detect,   ///< names when its first field is no number, else numbers
    present,  ///< names, even if they look like numbers
    absent    ///< numbers
};

/// How a table is read.
struct CsvOptions {
    char delimiter = ',';
    CsvHeader header = CsvHeader::detect;
    DType dtype = float32;
};

/// A table.
struct Csv {
    std::vector<std::string> header;  ///< a name for each column; empty when there are none
    Array numbers;                    ///< (rows, columns)
};

/// Reads a table: rows end in LF or CR LF, empty lines at the end do not count, spaces around a field neither. A number is
/// what C reads in the "C" locale, hexadecimal ones excepted, and rounded correctly to `dtype`; "nan" and "inf" are numbers,
/// an empty field is not. Throws DataError, ValueError for a delimiter that may be part of a number.
Csv read_csv(const std::string& path, const CsvOptions& options = {});

}  // namespace xtape::datasets

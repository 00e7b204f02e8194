#include <xtape/nn/safetensors_header.hpp>

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace xtape::nn::safetensors {

void Source::fail(std::uint64_t offset, const std::string& what) const {
    throw DataError(fmt::format("safetensors: {}\n  in {} at byte {}", what, path, offset), where);
}

namespace {

/// Text for messages, cut to a readable length.
std::string excerpt(std::string_view text) {
    return text.size() <= 80 ? std::string(text) : std::string(text.substr(0, 80)) + "...";
}

/// Goes over the header and lets the reader below know how far the parser has come.
struct CountingIterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    const char* at;
    const char** furthest;

    reference operator*() const { return *at; }
    CountingIterator& operator++() {
        *furthest = ++at;
        return *this;
    }
    CountingIterator operator++(int) {
        CountingIterator before = *this;
        ++*this;
        return before;
    }
    friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at == b.at; }
    friend bool operator!=(const CountingIterator& a, const CountingIterator& b) { return a.at != b.at; }
};

/// Receives what the parser finds (nlohmann's SAX interface) and refuses whatever has no place in a header. Unlike a
/// finished JSON value this sees names that come twice, and where in the file they stand.
class Reader {
public:
    Reader(const std::string& json, const Source& source) : json_(json), source_(source), furthest_(json.data()) {}

    Header run() {
        const char* begin = json_.data();
        if (json_.empty() || *begin != '{') source_.fail(length_bytes, "the header must begin with {");
        nlohmann::json::sax_parse(CountingIterator{begin, &furthest_},
                                  CountingIterator{begin + json_.size(), &furthest_}, this);
        return std::move(header_);
    }

    bool null() { misplaced("null"); }
    bool boolean(bool value) { misplaced(value ? "true" : "false"); }
    bool number_integer(std::int64_t value) { misplaced(std::to_string(value)); }
    bool number_float(double, const std::string& text) { misplaced(excerpt(text)); }
    template <class Binary>
    bool binary(Binary&) {
        misplaced("binary data");
    }

    bool number_unsigned(std::uint64_t value) {
        if (level_ == Level::shape) {
            if (value > static_cast<std::uint64_t>(std::numeric_limits<Index>::max()))
                fail(fmt::format("size {} of {} is larger than any array", value, quoted()));
            if (shape_->rank() == Shape::max_rank)
                fail(fmt::format("{} has more than {} axes, the most that xtape knows", quoted(), Shape::max_rank));
            shape_->push_back(static_cast<Index>(value));
        } else if (level_ == Level::offsets && offsets_->size() < 2) {
            offsets_->push_back(value);
        } else {
            misplaced(std::to_string(value));
        }
        return true;
    }

    bool string(std::string& value) {
        if (level_ == Level::metadata) {
            header_.metadata.emplace(field_, std::move(value));
        } else if (level_ == Level::entry && field_ == "dtype") {
            if (value == "F32")
                dtype_ = float32;
            else if (value == "F64")
                dtype_ = float64;
            else
                fail(fmt::format("dtype of {} must be F32 or F64: {}", quoted(), excerpt(value)));
        } else {
            misplaced("\"" + excerpt(value) + "\"");
        }
        return true;
    }

    bool start_object(std::size_t) {
        if (level_ == Level::outside)
            level_ = Level::top;
        else if (level_ == Level::top)
            level_ = name_ == "__metadata__" ? Level::metadata : Level::entry;
        else
            misplaced("{");
        return true;
    }

    bool key(std::string& key) {
        field_offset_ = offset_of_last_string();
        if (level_ == Level::top) {
            name_ = std::move(key);
            offset_ = field_offset_;
            if (!names_.insert(name_).second) fail(fmt::format("{} comes twice", quoted()));
            dtype_ = {}, shape_ = {}, offsets_ = {};
            fields_.clear();
        } else {
            field_ = std::move(key);
            if (!fields_.insert(field_).second)
                fail(fmt::format("\"{}\" of {} comes twice", excerpt(field_), quoted()));
            if (level_ == Level::entry && field_ != "dtype" && field_ != "shape" && field_ != "data_offsets")
                fail(fmt::format("\"{}\" of {} has no meaning", excerpt(field_), quoted()));
        }
        return true;
    }

    bool end_object() {
        if (level_ == Level::entry) add_entry();
        level_ = level_ == Level::top ? Level::outside : Level::top;
        return true;
    }

    bool start_array(std::size_t) {
        if (level_ == Level::entry && field_ == "shape") {
            level_ = Level::shape;
            shape_.emplace();
        } else if (level_ == Level::entry && field_ == "data_offsets") {
            level_ = Level::offsets;
            offsets_.emplace();
        } else {
            misplaced("[");
        }
        return true;
    }

    bool end_array() {
        level_ = Level::entry;
        return true;
    }

    template <class Exception>
    bool parse_error(std::size_t position, const std::string&, const Exception& error) {
        // "[json.exception...] parse error at line 1, column 5: ...", or without the place.
        std::string_view text = error.what();
        for (const char* before : {"] ", "parse error at ", ": "}) {
            const std::size_t found = text.find(before);
            if (found == text.npos) break;
            text.remove_prefix(found + std::string_view(before).size());
        }
        source_.fail(length_bytes + position - 1, fmt::format("the header is not valid JSON: {}", excerpt(text)));
    }

private:
    enum class Level { outside, top, metadata, entry, shape, offsets };

    std::string quoted() const { return "\"" + excerpt(name_) + "\""; }
    [[noreturn]] void fail(const std::string& what) const { source_.fail(field_offset_, what); }

    /// Byte of the opening quote of the string that the parser has just read.
    std::uint64_t offset_of_last_string() const {
        const char* quote = furthest_ - 2;
        const auto escaped = [this](const char* at) {
            const char* backslash = at;
            while (backslash > json_.data() && backslash[-1] == '\\') --backslash;
            return (at - backslash) % 2 != 0;
        };
        while (quote > json_.data() && (*quote != '"' || escaped(quote))) --quote;
        return length_bytes + static_cast<std::uint64_t>(quote - json_.data());
    }

    [[noreturn]] void misplaced(const std::string& found) const {
        switch (level_) {
        case Level::outside:
            fail("the header must be an object, found " + found);
        case Level::top:
            fail(fmt::format("{} must be an object, found {}", quoted(), found));
        case Level::metadata:
            fail(fmt::format("metadata \"{}\" must be a string, found {}", excerpt(field_), found));
        case Level::shape:
            fail(fmt::format("shape of {} must be a list of integers >= 0, found {}", quoted(), found));
        case Level::offsets:
            fail(fmt::format("data_offsets of {} must be two integers >= 0, found {}", quoted(), found));
        case Level::entry:
            break;
        }
        const char* wanted = field_ == "dtype" ? "a string" : "a list";
        fail(fmt::format("{} of {} must be {}, found {}", field_, quoted(), wanted, found));
    }

    void add_entry() {
        field_offset_ = offset_;
        if (!dtype_) fail(fmt::format("{} has no dtype", quoted()));
        if (!shape_) fail(fmt::format("{} has no shape", quoted()));
        if (!offsets_ || offsets_->size() != 2) fail(fmt::format("{} needs two data_offsets", quoted()));
        header_.entries.push_back({name_, *dtype_, *shape_, (*offsets_)[0], (*offsets_)[1], offset_});
    }

    const std::string& json_;
    const Source& source_;
    const char* furthest_;

    Header header_;
    std::unordered_set<std::string> names_;
    Level level_ = Level::outside;
    std::string name_;   // of the array
    std::string field_;  // of its field, or of a piece of metadata
    std::unordered_set<std::string> fields_;
    std::uint64_t offset_ = length_bytes;
    std::uint64_t field_offset_ = length_bytes;
    std::optional<DType> dtype_;
    std::optional<Shape> shape_;
    std::optional<std::vector<std::uint64_t>> offsets_;
};

/// Bytes of an entry's elements; nothing when its sizes, those beside a 0 too, are beyond any array.
std::optional<std::uint64_t> bytes_of(const Entry& entry) {
    std::uint64_t bytes = size_of(entry.dtype);
    for (Index size : entry.shape)
        if (size != 0 && (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes) || bytes >> 60 != 0))
            return std::nullopt;
    return entry.shape.contains(0) ? 0 : bytes;
}

void check_places(const std::vector<Entry>& entries, std::uint64_t header_bytes, std::uint64_t data_bytes,
                  const Source& source) {
    std::uint64_t covered = 0;
    for (const Entry& e : entries) {
        const auto fail = [&](const std::string& what) {
            source.fail(e.offset, fmt::format("\"{}\" {}", excerpt(e.name), what));
        };
        if (e.begin > e.end) fail(fmt::format("ends before it begins: data_offsets [{}, {}]", e.begin, e.end));
        if (e.end > data_bytes)
            fail(fmt::format("ends beyond the file: data_offsets [{}, {}] of {} bytes", e.begin, e.end, data_bytes));
        const auto bytes = bytes_of(e);
        if (!bytes) fail(fmt::format("has a shape beyond any array: {}", to_string(e.shape)));
        if (*bytes != e.end - e.begin)
            fail(fmt::format("has data_offsets that do not fit its shape: {} {} needs {} bytes, [{}, {}] are {}",
                             name_of(e.dtype), to_string(e.shape), *bytes, e.begin, e.end, e.end - e.begin));
        if (e.begin < covered)
            fail(fmt::format("overlaps another array: it begins at {}, that one ends at {}", e.begin, covered));
        if (e.begin > covered)
            fail(
                fmt::format("leaves a hole before it: it begins at {}, the array before ends at {}", e.begin, covered));
        covered = e.end;
    }
    if (covered != data_bytes)
        source.fail(length_bytes + header_bytes + covered,
                    fmt::format("bytes that belong to no array: {} after the last one", data_bytes - covered));
}

}  // namespace

Header parse(const std::string& json, std::uint64_t data_bytes, const Source& source) {
    Header header = Reader(json, source).run();
    std::sort(header.entries.begin(), header.entries.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.begin, a.end, a.offset) < std::tie(b.begin, b.end, b.offset);
    });
    check_places(header.entries, json.size(), data_bytes, source);
    return header;
}

std::string format(const NamedArrays& tensors, const Metadata& metadata, Where where) {
    auto header = nlohmann::ordered_json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::uint64_t begin = 0;
    for (const auto& [name, array] : tensors) {
        const std::uint64_t end = begin + static_cast<std::uint64_t>(array.size()) * size_of(array.dtype());
        header[name] = {{"dtype", array.dtype() == float32 ? "F32" : "F64"},
                        {"shape", std::vector<Index>(array.shape().begin(), array.shape().end())},
                        {"data_offsets", {begin, end}}};
        begin = end;
    }
    try {
        std::string text = header.dump();
        text.append((length_bytes - text.size() % length_bytes) % length_bytes, ' ');
        return text;
    } catch (const nlohmann::json::exception&) {
        throw ValueError("safetensors: names and metadata must be UTF-8", where);
    }
}

}  // namespace xtape::nn::safetensors

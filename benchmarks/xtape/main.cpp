// xtape's side of every row.
#include <algorithm>

#include "rows.hpp"

namespace bench {

xtape::Array array(std::uint32_t seed, const xtape::Shape& shape, double scale) {
    xtape::Array result = xtape::Array::uninitialized(shape, xtape::float32);
    const auto values = numbers(seed, static_cast<std::size_t>(shape.count()), scale);
    std::copy(values.begin(), values.end(), result.mutable_data<float>());
    return result;
}

xtape::Array bits(std::uint32_t seed, const xtape::Shape& shape) {
    xtape::Array result = xtape::Array::uninitialized(shape, xtape::float32);
    const auto values = labels(seed, static_cast<std::size_t>(shape.count()), 2);
    std::transform(values.begin(), values.end(), result.mutable_data<float>(),
                   [](auto bit) { return bit ? 1.f : 0.f; });
    return result;
}

xtape::IntArray label_array(std::uint32_t seed, std::size_t count, std::uint32_t classes) {
    xtape::IntArray result(xtape::IntArray::shape_type{count});
    const auto values = labels(seed, count, classes);
    std::copy(values.begin(), values.end(), result.begin());
    return result;
}

void output(const std::string& name, const xtape::Array& values) {
    output(name, values.data<float>(), static_cast<std::size_t>(values.size()));
}

}  // namespace bench

int main(int argc, char** argv) {
    bench::Rows rows;
    bench::add_networks(rows);
    bench::add_perceptrons(rows);
    bench::add_operations(rows);
    bench::add_primitives(rows);
    bench::add_memory(rows);
    rows["nothing"] = [](const std::string&) { return [] {}; };  // a process that only starts, for its memory
    return bench::serve(argc, argv, rows, xtape::set_threads);
}

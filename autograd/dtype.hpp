#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace xtape {

/// Element type of an Array, chosen at run time.
enum class DType : std::uint8_t { float32, float64 };

inline constexpr DType float32 = DType::float32;
inline constexpr DType float64 = DType::float64;

/// "float32" or "float64".
constexpr const char* name_of(DType dtype) { return dtype == float32 ? "float32" : "float64"; }

/// Bytes of one element.
constexpr std::size_t size_of(DType dtype) { return dtype == float32 ? sizeof(float) : sizeof(double); }

/// The DType of a C++ element type: double is float64, every other arithmetic type becomes float32.
template <class T>
inline constexpr DType dtype_of = std::is_same_v<T, double> ? float64 : float32;

/// Calls f with a value of the C++ type that `dtype` stands for: a kernel is written once as a generic lambda.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
    return dtype == float32 ? f(float{}) : f(double{});
}

}  // namespace xtape

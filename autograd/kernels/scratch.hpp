#pragma once

#include <type_traits>

#include <xtape/autograd/shape.hpp>
#include <xtape/autograd/storage.hpp>

namespace xtape::kernels {

/// Pooled working memory of a kernel: `count` uninitialised elements, given back at the end of the scope.
template <class T>
class Scratch {
    static_assert(std::is_trivial_v<T>);

public:
    explicit Scratch(Index count)
        : bytes_((static_cast<std::size_t>(count) + 1) * sizeof(T)),
          data_(static_cast<T*>(storage::allocate(bytes_))) {}
    ~Scratch() { storage::deallocate(data_, bytes_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    T* data() const { return data_; }

private:
    std::size_t bytes_;
    T* data_;
};

}  // namespace xtape::kernels

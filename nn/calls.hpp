#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <xtape/autograd/shape.hpp>

namespace xtape::nn {

class Module;

/// One call of a layer, or of a function that stands in a Sequential.
struct Call {
    const Module* layer;      ///< null for a function; a layer made for one call may be gone when this is read
    const Module* container;  ///< the Sequential that a function stands in, else null
    std::size_t position;     ///< of the function in it
    std::string text;         ///< "Linear(3136, 128)", "relu"
    Shape output;
};

/// While it lives, the calls of layers on this thread are noted in it: that is how summary() sees into any module.
class CallLog {
public:
    CallLog();
    ~CallLog();
    CallLog(const CallLog&) = delete;
    CallLog& operator=(const CallLog&) = delete;

    /// The innermost log of this thread, or null.
    static CallLog* current();

    std::vector<Call> calls;

private:
    CallLog* outer_;
};

}  // namespace xtape::nn

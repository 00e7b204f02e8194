#include <xtape/autograd/lasting_name.hpp>

#include <mutex>
#include <set>

#include <xtape/autograd/error.hpp>

namespace xtape::detail {

const char* lasting_name(const std::string& name) {
    static std::mutex mutex;
    static auto& names = *new std::set<std::string>;
    if (name.empty()) throw ValueError("an operation needs a name");
    const std::lock_guard lock(mutex);
    return names.insert(name).first->c_str();
}

}  // namespace xtape::detail

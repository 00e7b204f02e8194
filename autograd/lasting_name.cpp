#include <xtape/autograd/lasting_name.hpp>

#include <mutex>
#include <set>

#include <xtape/autograd/error.hpp>

namespace xtape::detail {

namespace {

std::mutex mutex;

std::set<std::string>& names() {
    static auto& all = *new std::set<std::string>;
    return all;
}

}  // namespace

const char* lasting_name(const std::string& name) {
    if (name.empty()) throw ValueError("an operation needs a name");
    const std::lock_guard lock(mutex);
    return names().insert(name).first->c_str();
}

bool is_lasting_name(const char* name) {
    const std::lock_guard lock(mutex);
    const auto found = names().find(name);
    return found != names().end() && found->c_str() == name;
}

}  // namespace xtape::detail

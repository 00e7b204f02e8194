#include <xtape/autograd/part.hpp>

namespace xtape {

namespace {

thread_local std::shared_ptr<const Part> innermost;

}  // namespace

std::shared_ptr<const Part> PartScope::current() { return innermost; }

bool PartScope::is_innermost(const void* owner) { return innermost && innermost->owner == owner; }

void PartScope::enter(const void* owner, std::string label) {
    innermost = std::make_shared<const Part>(Part{innermost, owner, std::move(label)});
    entered_ = true;
}

void PartScope::leave() { innermost = std::shared_ptr<const Part>(innermost->outer); }

}  // namespace xtape

#pragma once

#include <xtape/autograd/window.hpp>
#include <xtape/nn/module.hpp>

/// Checks that layers share; every message begins with the layer as describe() writes it.
namespace xtape::nn::check {

/// x has a value and `rank` axes, which `axes` names: "(N, C, H, W)". Throws ValueError, ShapeError.
void rank(const Module& layer, const Variable& x, Index rank, const char* axes, Where where);

/// Axis `axis` of x, which `name` names ("channels"), has the size `wanted`. Throws ShapeError.
void size(const Module& layer, const Variable& x, Index axis, Index wanted, const char* name, Where where);

/// The window fits at least once into the padded rows and columns of x. Throws ShapeError.
void window(const Module& layer, const Variable& x, Pair kernel, Pair dilation, const Padding& padding, Where where);

/// x has a value. Throws ValueError.
void value(const Module& layer, const Variable& x, Where where);

/// A setting of `layer` called `name` is at least `least`. Throws ValueError.
void setting(const char* layer, const char* name, Index value, Index least, Where where);
void setting(const char* layer, const char* name, Pair value, Index least, Where where);
void padding(const char* layer, const Padding& padding, Where where);

}  // namespace xtape::nn::check

/// How settings read in describe().
namespace xtape::nn::text {

/// "3" or "(3, 5)".
std::string of(Pair pair);
/// "same", "2", "(1, 2)" or "(0, 1, 0, 1)".
std::string of(const Padding& padding);
/// ", name=value" unless the value is the default.
std::string option(const char* name, Pair value, Pair usual);
std::string option(const char* name, const Padding& value);
std::string option(const char* name, Index value, Index usual);
std::string option(const char* name, bool value, bool usual);

}  // namespace xtape::nn::text

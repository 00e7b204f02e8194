#pragma once

#include <string>

#include <xtape/nn/module.hpp>
#include <xtape/nn/safetensors.hpp>

/// What a module has learnt, to and from one safetensors file.
namespace xtape::nn {

/// Writes parameters and buffers under their names ("conv1.weight"); whole or not at all. Throws as save_tensors.
void save(const Module& module, const std::string& path, const Metadata& metadata = {}, Where where = Where::here());

/// Reads what save() wrote into a module built the same way and returns the metadata. Throws a DataError that lists
/// every name which is missing, unexpected, or of another shape or dtype; then nothing has changed. Parameters keep
/// their identity, so that an optimiser stays connected.
Metadata load(Module& module, const std::string& path, Where where = Where::here());

/// The same from arrays in memory, as Module::state() gives them: the best weights so far, say.
void restore(Module& module, const NamedArrays& state, Where where = Where::here());

}  // namespace xtape::nn

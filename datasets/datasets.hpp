#pragma once

/// All of xtape::datasets in one include.

#include <xtape/datasets/augment.hpp>
#include <xtape/datasets/csv.hpp>
#include <xtape/datasets/emnist.hpp>
#include <xtape/datasets/hdf5.hpp>
#include <xtape/datasets/idx.hpp>
#include <xtape/datasets/image_set.hpp>
#include <xtape/datasets/loader.hpp>
#include <xtape/datasets/split.hpp>
#include <xtape/datasets/toy.hpp>
#include <xtape/datasets/transform.hpp>

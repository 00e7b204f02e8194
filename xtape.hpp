#pragma once

/// All of xtape in one include, with xtensor's random numbers, which models are begun with.

#include <xtensor/xrandom.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/checkpoint.hpp>
#include <xtape/autograd/custom.hpp>
#include <xtape/autograd/detect_anomaly.hpp>
#include <xtape/autograd/elementwise.hpp>
#include <xtape/autograd/hooks.hpp>
#include <xtape/autograd/inspect.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/strict.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/threads.hpp>
#include <xtape/autograd/transforms.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/datasets/datasets.hpp>
#include <xtape/nn/nn.hpp>
#include <xtape/optim/optim.hpp>

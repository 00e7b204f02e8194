#pragma once

/// All of xtape::nn in one include.

#include <xtape/nn/adversarial.hpp>
#include <xtape/nn/convolution.hpp>
#include <xtape/nn/ctc.hpp>
#include <xtape/nn/dropout.hpp>
#include <xtape/nn/embedding.hpp>
#include <xtape/nn/init.hpp>
#include <xtape/nn/linear.hpp>
#include <xtape/nn/loss.hpp>
#include <xtape/nn/loss_classification.hpp>
#include <xtape/nn/loss_metric.hpp>
#include <xtape/nn/loss_segmentation.hpp>
#include <xtape/nn/metrics.hpp>
#include <xtape/nn/module.hpp>
#include <xtape/nn/normalization.hpp>
#include <xtape/nn/pooling.hpp>
#include <xtape/nn/reshaping.hpp>
#include <xtape/nn/safetensors.hpp>
#include <xtape/nn/sequential.hpp>
#include <xtape/nn/state.hpp>
#include <xtape/nn/summary.hpp>

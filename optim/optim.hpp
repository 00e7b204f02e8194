#pragma once

/// Optimisers, schedules, clipping, the training loop and its pictures.
#include <xtape/optim/adagrad.hpp>
#include <xtape/optim/adam.hpp>
#include <xtape/optim/average.hpp>
#include <xtape/optim/bounce.hpp>
#include <xtape/optim/clip.hpp>
#include <xtape/optim/curvature.hpp>
#include <xtape/optim/direction.hpp>
#include <xtape/optim/history.hpp>
#include <xtape/optim/landscape.hpp>
#include <xtape/optim/optimizer.hpp>
#include <xtape/optim/range_test.hpp>
#include <xtape/optim/report.hpp>
#include <xtape/optim/rmsprop.hpp>
#include <xtape/optim/schedule.hpp>
#include <xtape/optim/sgd.hpp>
#include <xtape/optim/train.hpp>

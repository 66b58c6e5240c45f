// The data sets on disk that Starling reads. README.md names the formats.
//
// Every reader fails with ErrorCode::data and one sentence: the file with its line or offset, what
// was found, what was expected and what to do. A size that a file declares is compared with the
// file's real size before memory is taken for it.
#pragma once

#include <filesystem>

#include "protocol/result.h"
#include "train/dataset.h"

namespace starling::train {

// UCI optical digits: optdigits.tra followed by optdigits.hol to train on, optdigits.tes to test.
// Lines of 64 pixels from 0 to 16 (scaled to 0…1) and the digit; '#' starts a comment line.
Result<DataSets> read_optdigits(const std::filesystem::path& folder);

// {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, each plain or with .gz.
// Pixels become (byte/255 - mean) / deviation with both taken over all training pixels.
Result<DataSets> read_idx(const std::filesystem::path& folder);

// LIBSVM text, indices from 1. The distinct labels of both files become the classes 0, 1, … in
// ascending order. With an empty `test` the rows 5, 10, 15, … of `train` are the test set.
Result<DataSets> read_libsvm(const std::filesystem::path& train, const std::filesystem::path& test);

}  // namespace starling::train

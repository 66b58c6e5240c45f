// What must hold between the options of data, model and training, whatever the data says.
#pragma once

#include "protocol/result.h"
#include "train/trainer.h"

namespace starling::train {

// ErrorCode::config names the key, its value and what it may be. Reads no file.
Result<void> check_options(const TrainerOptions& options);

}  // namespace starling::train

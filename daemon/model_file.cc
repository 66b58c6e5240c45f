#include "daemon/model_file.h"

#include <fmt/format.h>

#include "node/safetensors.h"

namespace starling::daemon {

Result<void> write_model(const ModelFile& file, const node::Core& core) {
  return node::write_safetensors(
      file.path, core.layout(), core.model(),
      {{"run", file.run}, {"node", file.node}, {"rounds", fmt::format("{}", core.rounds_done())}});
}

}  // namespace starling::daemon

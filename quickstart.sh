#!/usr/bin/env bash
# Installs what is missing, builds the release, and trains a model on eight daemons of this machine:
# each node alone, uncompressed gossip, and three that compress. Arguments go to `starling up`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
scripts/install-packages.sh build
cmake --preset release -DSTARLING_BUILD_TESTS=OFF >/dev/null
cmake --build --preset release --target starling starlingd
exec build/release/daemon/starling up configs/quickstart.toml "$@"

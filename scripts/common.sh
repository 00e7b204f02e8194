# Shared by the scripts beside it: strict mode, the project's root as working folder, and building.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# build <preset> [<target>...]
build() {
    local preset=$1
    shift
    cmake --preset "$preset"
    cmake --build --preset "$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}

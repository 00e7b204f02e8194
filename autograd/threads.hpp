#pragma once

namespace xtape {

/// Limits the threads that operations use, from now on; 0 means all of the machine's. Results do not depend on it.
void set_threads(int count);

/// Threads that operations use at present.
int threads();

}  // namespace xtape

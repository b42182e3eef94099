#pragma once

namespace uma::null {

/// Makes the null device known to core: every op "runs", shapes and the memory plan are real, no memory is
/// touched and nothing is computed.
void install();

}  // namespace uma::null

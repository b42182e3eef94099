#pragma once

namespace uma::cpu {

/// Makes the CPU known to core. Its kernels register themselves when the program starts.
void install();

}  // namespace uma::cpu

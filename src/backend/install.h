#pragma once

namespace uma {

/// Makes the backends of this build known to core. Called once by a program before its first array; calling
/// it again does nothing. The only place that names backends.
void install_backends();

}  // namespace uma

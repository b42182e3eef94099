#include <fcntl.h>
#include <signal.h>

#include "cli/options.h"

namespace {

// `uma ... >&-` leaves 1 free, and the next file that is opened would get it and everything that is printed.
// Open for reading, a write fails as it should.
void keep_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd)
    if (fcntl(fd, F_GETFD) == -1) static_cast<void>(open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY));
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams();
  // A reader that goes away is an error of a write, not a reason to die without a word.
  signal(SIGPIPE, SIG_IGN);
  return uma::cli::run_app(argc, argv);
}

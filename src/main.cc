#include <signal.h>

#include "cli/options.h"

int main(int argc, char** argv) {
  // A reader that goes away is an error of a write, not a reason to die without a word.
  signal(SIGPIPE, SIG_IGN);
  return uma::cli::run_app(argc, argv);
}

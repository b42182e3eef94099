#pragma once
// For tests of kernels that are compiled for several instruction sets.
#include <gtest/gtest.h>

#include <string>

#include "backend/cpu/isa/isa.h"

namespace uma::testing {

/// Runs f once with each instruction set that this machine has.
template <class F>
void for_each_isa(F f) {
  const cpu::Isa before = cpu::current_isa();
  for (const cpu::Isa isa : cpu::available_isas()) {
    SCOPED_TRACE(std::string(cpu::to_string(isa)));
    cpu::set_isa(isa);
    f();
  }
  cpu::set_isa(before);
}

}  // namespace uma::testing

// Every op of the registries can run on the CPU, and can be differentiated and mapped, or says by its row why
// not.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "backend/install.h"
#include "core/kernel.h"
#include "fast/registry.h"
#include "ops/registry.h"

namespace uma {
namespace {

const bool kInstalled = (install_backends(), true);

std::vector<const OpInfo*> every_op() {
  std::vector<const OpInfo*> all(kOps.begin(), kOps.end());
  all.insert(all.end(), kFastOps.begin(), kFastOps.end());
  return all;
}

// Of bits, codes and what stands for them there is no derivative, and MLX has no vmap of them either.
constexpr const OpInfo* kOfBits[] = {&kRandomBits, &kPackedQuantize, &kPackedDequantize};
bool is_of_bits(const OpInfo& op) {
  return std::find(std::begin(kOfBits), std::end(kOfBits), &op) != std::end(kOfBits);
}

// Results without a derivative: booleans and indices; complex eigenvectors, whose phase is arbitrary. An op
// without inputs is a constant.
bool has_derivative(const OpInfo& op) {
  return op.dtype != DTypeRule::boolean && op.dtype != DTypeRule::index && !op.args.empty() &&
         !is_of_bits(op) && &op != &linalg::kEig;
}

TEST(SupportMatrix, EveryOpRunsOnTheCpu) {
  ASSERT_TRUE(kInstalled);
  for (const OpInfo* op : every_op())
    EXPECT_TRUE(find_kernel(*op, DeviceType::cpu) || op->view || op->fallback) << op->name;
}

TEST(SupportMatrix, EveryOpThatHasADerivativeHasBothModes) {
  for (const OpInfo* op : every_op())
    if (has_derivative(*op)) {
      EXPECT_TRUE(op->vjp || op->fallback) << op->name;
      EXPECT_TRUE(op->jvp || op->fallback) << op->name;
    }
}

TEST(SupportMatrix, EveryOpWithInputsCanBeMapped) {
  for (const OpInfo* op : every_op())
    EXPECT_TRUE(op->args.empty() || op->vmap || op->fallback || is_of_bits(*op)) << op->name;
}

TEST(SupportMatrix, NamesAreDistinctAndEveryOpHasItsSentence) {
  std::set<std::string_view> names;
  for (const OpInfo* op : every_op()) {
    EXPECT_TRUE(names.insert(op->name).second) << op->name;
    EXPECT_TRUE(op->doc.ends_with('.')) << op->name;
  }
}

}  // namespace
}  // namespace uma
